import { TextInput } from "@mantine/core";
import { daysError } from "./rotation";

/** After how many days somebody wants to be reminded; empty for never. */
export function RotationField({
  value,
  onChange,
  error,
}: {
  value: string;
  onChange: (days: string) => void;
  error?: string;
}) {
  return (
    <TextInput
      label="Remind to rotate"
      description="Then it is shown as due for a new value. Nothing rotates by itself. Empty: never."
      inputMode="numeric"
      autoComplete="off"
      maxLength={4}
      className="days"
      leftSection="every"
      leftSectionWidth={54}
      leftSectionPointerEvents="none"
      rightSection="days"
      rightSectionWidth={48}
      rightSectionPointerEvents="none"
      value={value}
      error={error ?? daysError(value)}
      onChange={(e) => onChange(e.currentTarget.value)}
    />
  );
}
