import { TextInput, type TextInputProps } from "@mantine/core";

interface Props extends Omit<TextInputProps, "value" | "onChange"> {
  value: number | undefined;
  onChange: (value: number | undefined) => void;
}

/** A non-negative whole number, or empty. Only digits can be typed. */
export function NumberField({ value, onChange, ...rest }: Props) {
  return (
    <TextInput
      {...rest}
      inputMode="numeric"
      autoComplete="off"
      maxLength={15}
      value={value ?? ""}
      onChange={(e) => {
        const digits = e.currentTarget.value.replace(/\D/g, "");
        onChange(digits === "" ? undefined : Number(digits));
      }}
    />
  );
}
