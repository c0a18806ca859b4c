import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useState } from "react";
import { useField, useViolation } from "../shape/violations";
import { CrossIcon } from "../ui/icons";
import { t } from "../text/t";
import { mayBePublic } from "./publicLiteral";

interface Props {
  /** The field of the reason. */
  path: string;
  /** The fields whose values the reason covers. */
  about: string[];
  /** The name of the value in a sentence, such as `the URL`. */
  what: string;
  /** The reason; undefined if the value is not declared public. */
  value: string | undefined;
  onChange: (reason: string | undefined) => void;
}

/** Asks why a value that looks like a secret is public. Shown only after the server rejected the value. */
export function PublicReason({ path, about, what, value, onChange }: Props) {
  const violation = useViolation(...about);
  const field = useField(path);
  const [begun, setBegun] = useState(false);
  if (value === undefined) {
    if (!mayBePublic(violation)) return null;
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
        {t("public.open", { what })}
      </Button>
    );
  }
  return (
    <TextInput
      {...field}
      className="beside"
      label={t("public.label", { what })}
      description={t("public.help")}
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
          aria-label={t("public.remove", { what })}
          data-hint={t("ui.remove")}
          onClick={() => onChange(undefined)}
        >
          <CrossIcon size={15} />
        </ActionIcon>
      }
    />
  );
}
