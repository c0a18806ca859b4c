import { TextInput } from "@mantine/core";
import { useField } from "./violations";
import type { InputProps } from "./input";
import { Words } from "./Help";
import { lead } from "./words";

/** A day. The value is its last second in the user's time zone. */
export function DateInput({ field, title, value, onChange, path }: InputProps) {
  const own = useField(path);
  const at = typeof value === "string" ? new Date(value) : undefined;
  const shown =
    at && !Number.isNaN(at.getTime()) ? `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}` : "";
  return (
    <TextInput
      type="date"
      label={title}
      description={field.words ? <Words text={lead(field.words).first} /> : undefined}
      withAsterisk={field.required}
      {...own}
      value={shown}
      w={240}
      onChange={(e) => {
        const [year, month, day] = e.currentTarget.value.split("-").map(Number);
        onChange(year && month && day ? new Date(year, month - 1, day, 23, 59, 59).toISOString() : undefined);
      }}
    />
  );
}

const two = (n: number): string => String(n).padStart(2, "0");
