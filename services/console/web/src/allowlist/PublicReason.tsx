import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { useField, useFinding } from "../shape/findings";
import { CrossIcon } from "../ui/icons";
import { mayBePublic } from "./publicLiteral";

interface Props {
  /** The field of the reason. */
  path: string;
  /** The fields whose values the reason is about. */
  about: string[];
  /** What the value is, such as `the URL`. */
  what: string;
  /** The reason; undefined: the value is not said to be public. */
  value: string | undefined;
  onChange: (reason: string | undefined) => void;
}

/** Says why a value is public although it looks like a secret. Offered where the server refused the value. */
export function PublicReason({ path, about, what, value, onChange }: Props) {
  const finding = useFinding(...about);
  const field = useField(path);
  const [begun, setBegun] = useState(false);
  if (value === undefined) {
    if (!mayBePublic(finding)) return null;
    return (
      <Button
        size="xs"
        variant="default"
        className="beside"
        onClick={() => {
          setBegun(true);
          onChange("");
        }}
      >
        Acknowledge that {what} is public…
      </Button>
    );
  }
  return (
    <TextInput
      {...field}
      className="beside"
      label={`Why ${what} is public`}
      description="Everyone who sees the endpoint sees the value and this reason."
      withAsterisk
      maxLength={512}
      autoComplete="off"
      autoFocus={begun}
      value={value}
      onChange={(e) => onChange(e.currentTarget.value)}
      rightSection={
        <ActionIcon
          variant="subtle"
          color="gray"
          aria-label={`Remove the reason why ${what} is public`}
          data-hint="Remove"
          onClick={() => onChange(undefined)}
        >
          <CrossIcon size={15} />
        </ActionIcon>
      }
    />
  );
}
