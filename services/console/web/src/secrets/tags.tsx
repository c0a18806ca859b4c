import type { SecretJson, VersionStateJson } from "../gen/keyward/vault/v1/resources_pb";
import { ClockIcon, CrossIcon, PauseIcon } from "../ui/icons";
import { Tag } from "../ui/parts";
import { ago, full } from "../ui/time";
import { dueOf } from "./rotation";

/** The state of a version. */
export function StateTag({ state }: { state: VersionStateJson | undefined }) {
  if (state === "VERSION_STATE_ENABLED") return <Tag tone="good">Enabled</Tag>;
  if (state === "VERSION_STATE_DISABLED")
    return (
      <Tag tone="warn" icon={<PauseIcon size={12} />}>
        Disabled
      </Tag>
    );
  if (state === "VERSION_STATE_DESTROYED")
    return (
      <Tag tone="bad" icon={<CrossIcon size={12} />}>
        Destroyed
      </Tag>
    );
  return null;
}

/** What is out of the ordinary about a secret: its state unless it is enabled, and that a new value is due. */
export function SecretTags({ secret }: { secret: SecretJson }) {
  const now = Date.now();
  const due = dueOf(secret, now);
  const when = secret.rotationDueTime ?? "";
  return (
    <>
      {secret.state !== "VERSION_STATE_ENABLED" && <StateTag state={secret.state} />}
      {(due === "overdue" || due === "soon") && (
        <span data-hint={`A new value is due: ${full(when)}`}>
          <Tag tone={due === "overdue" ? "warn" : "quiet"} icon={<ClockIcon size={12} />}>
            {due === "overdue" ? "Rotation overdue" : `Rotation due ${ago(when, now)}`}
          </Tag>
        </span>
      )}
    </>
  );
}
