import { TextInput } from "@mantine/core";
import { t } from "../text/t";
import { daysError } from "./rotation";

/** The days until a reminder; empty for no reminder. */
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
      label={t("rotation.label")}
      description={t("rotation.help")}
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
