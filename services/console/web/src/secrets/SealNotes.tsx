import { Button, Checkbox } from "@mantine/core";
import { AlertIcon, ShieldCheckIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import type { Ability, Unsealable } from "./sealing";

/** What happens to a value on its way, before it is sent. */
export function SealHint({ ability }: { ability: Ability | undefined }) {
  if (!ability?.key) return null;
  return (
    <p className="field-hint">
      <ShieldCheckIcon size={13} /> Sealed in this browser before it is sent. Only the vault can open it.
    </p>
  );
}

/** A value that was sealed and not stored yet. */
export function SealedNote({ size, keyId, onOther }: { size: number; keyId: string; onOther: () => void }) {
  return (
    <Notice
      tone="good"
      icon={<ShieldCheckIcon size={18} />}
      title="The value is sealed"
      action={
        <Button size="xs" variant="default" onClick={onOther}>
          Enter another
        </Button>
      }
    >
      <p>
        {size.toLocaleString("en")} {size === 1 ? "byte" : "bytes"}, sealed to key <code>{keyId}</code> and no longer on
        this page. It is sent when you save.
      </p>
    </Notice>
  );
}

interface UnsealableProps {
  obstacle: Unsealable;
  accepted: boolean;
  onAccept: (accepted: boolean) => void;
  onRetry: () => void;
}

/** Says that a value cannot be sealed. Nothing is sent unsealed unless the person decides so, here. */
export function UnsealableNote({ obstacle, accepted, onAccept, onRetry }: UnsealableProps) {
  return (
    <Notice
      tone="warn"
      icon={<AlertIcon size={18} />}
      title="The value cannot be sealed"
      action={
        <Button size="xs" variant="default" onClick={onRetry}>
          Try again
        </Button>
      }
    >
      <p>{obstacle.words}</p>
      {obstacle.required === false ? (
        <Checkbox
          label="Send it without sealing, over TLS"
          description="The gateway, and any proxy that terminates TLS, can then read it."
          checked={accepted}
          onChange={(e) => onAccept(e.currentTarget.checked)}
        />
      ) : (
        <p>
          {obstacle.required
            ? "This workspace requires sealed values"
            : "Whether this workspace requires sealed values is unknown"}
          , so this value is not sent. A value that the vault generates needs no sealing.
        </p>
      )}
    </Notice>
  );
}
