import { Button, Checkbox } from "@mantine/core";
import { AlertIcon, ShieldCheckIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { rich, t } from "../text/t";
import type { Ability, Unsealable } from "./sealing";

/** Explains how a value is protected on its way to the vault, before it is sent. */
export function SealHint({ ability }: { ability: Ability | undefined }) {
  if (!ability?.key) return null;
  return (
    <p className="field-hint">
      <ShieldCheckIcon size={13} /> {t("seal.note")}
    </p>
  );
}

/** A value that is sealed and not yet stored. */
export function SealedNote({ size, keyId, onOther }: { size: number; keyId: string; onOther: () => void }) {
  return (
    <Notice
      tone="good"
      icon={<ShieldCheckIcon size={18} />}
      title={t("seal.done")}
      action={
        <Button size="xs" variant="default" onClick={onOther}>
          {t("seal.again")}
        </Button>
      }
    >
      <p>{rich("seal.doneWords", { size, keyId })}</p>
    </Notice>
  );
}

interface UnsealableProps {
  obstacle: Unsealable;
  accepted: boolean;
  onAccept: (accepted: boolean) => void;
  onRetry: () => void;
}

/** Shows that a value cannot be sealed. Only the user's choice here sends it unsealed. */
export function UnsealableNote({ obstacle, accepted, onAccept, onRetry }: UnsealableProps) {
  return (
    <Notice
      tone="warn"
      icon={<AlertIcon size={18} />}
      title={t("seal.failed")}
      action={
        <Button size="xs" variant="default" onClick={onRetry}>
          {t("ui.tryAgain")}
        </Button>
      }
    >
      <p>{obstacle.words}</p>
      {obstacle.required === false ? (
        <Checkbox
          label={t("seal.skip")}
          description={t("seal.skipHelp")}
          checked={accepted}
          onChange={(e) => onAccept(e.currentTarget.checked)}
        />
      ) : (
        <p>{obstacle.required ? t("seal.required") : t("seal.unknown")}</p>
      )}
    </Notice>
  );
}
