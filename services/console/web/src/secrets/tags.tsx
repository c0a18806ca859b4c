import type { SecretJson, VersionStateJson } from "../gen/keyward/vault/v1/resources_pb";
import { ClockIcon, CrossIcon, PauseIcon } from "../ui/icons";
import { Tag } from "../ui/parts";
import { ago, full } from "../ui/time";
import { t } from "../text/t";
import { dueOf } from "./rotation";

/** The state of a version. */
export function StateTag({ state }: { state: VersionStateJson | undefined }) {
  if (state === "VERSION_STATE_ENABLED") return <Tag tone="good">{t("tag.enabled")}</Tag>;
  if (state === "VERSION_STATE_DISABLED")
    return (
      <Tag tone="warn" icon={<PauseIcon size={12} />}>
        {t("tag.disabled")}
      </Tag>
    );
  if (state === "VERSION_STATE_DESTROYED")
    return (
      <Tag tone="bad" icon={<CrossIcon size={12} />}>
        {t("tag.destroyed")}
      </Tag>
    );
  return null;
}

/** The notable facts about a secret: a state other than enabled, and a due rotation. */
export function SecretTags({ secret }: { secret: SecretJson }) {
  const now = Date.now();
  const due = dueOf(secret, now);
  const when = secret.rotationDueTime ?? "";
  return (
    <>
      {secret.state !== "VERSION_STATE_ENABLED" && <StateTag state={secret.state} />}
      {(due === "overdue" || due === "soon") && (
        <span data-hint={t("tag.dueHint", { when: full(when) })}>
          <Tag tone={due === "overdue" ? "warn" : "quiet"} icon={<ClockIcon size={12} />}>
            {due === "overdue" ? t("secrets.overdue") : t("tag.due", { when: ago(when, now) })}
          </Tag>
        </span>
      )}
    </>
  );
}
