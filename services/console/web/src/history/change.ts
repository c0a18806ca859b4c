import type { EndpointChange_ActionJson, EndpointChangeJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type { SecretChange_ActionJson, SecretChangeJson } from "../gen/keyward/vault/v1/resources_pb";
import { idOf } from "../api/names";
import { everyWords } from "../secrets/rotation";
import { t } from "../text/t";
import type { Tone } from "../ui/parts";

/** An entry of either change log. */
export type Change = Omit<SecretChangeJson & EndpointChangeJson, "action"> & {
  action?: SecretChange_ActionJson | EndpointChange_ActionJson;
};

/** One changed field of an entry. */
export interface Diff {
  field: string;
  from: string;
  to: string;
}

/** The category of an action; the page shows each with its own icon. */
export type Mark =
  | "add"
  | "edit"
  | "remove"
  | "link"
  | "unlink"
  | "proof"
  | "on"
  | "off"
  | "warn"
  | "look"
  | "restore"
  | "destroy"
  | "key"
  | "other";

// Color marks destructive or risky actions and proofs. Words and icons mark the rest.
const actions: Record<string, [words: string, mark: Mark, tone?: Tone]> = {
  ACTION_CREATED: [t("action.created"), "add"],
  ACTION_UPDATED: [t("action.updated"), "edit"],
  ACTION_DELETED: [t("action.deleted"), "remove", "bad"],
  ACTION_FORCE_DELETED: [t("action.forceDeleted"), "remove", "bad"],
  ACTION_BOUND: [t("action.bound"), "link"],
  ACTION_UNBOUND: [t("action.unbound"), "unlink"],
  ACTION_VERSION_RESTORED: [t("action.versionRestored"), "restore"],
  ACTION_VERSION_ENABLED: [t("action.versionEnabled"), "on"],
  ACTION_VERSION_DISABLED: [t("action.versionDisabled"), "off", "warn"],
  ACTION_VERSION_DESTROYED: [t("action.versionDestroyed"), "destroy", "bad"],
  ACTION_VERSION_PRUNED: [t("action.versionPruned"), "destroy"],
  ACTION_VALUE_CHECKED: [t("action.valueChecked"), "look"],
  ACTION_UNDELETED: [t("action.undeleted"), "restore"],
  ACTION_PURGED: [t("action.purged"), "remove", "bad"],
  ACTION_PURPOSE_SEALED: [t("action.purposeSealed"), "key"],
  ACTION_PURPOSE_REPLACED: [t("action.purposeReplaced"), "key", "warn"],
  ACTION_EQUAL_VALUE_REFUSED: [t("action.equalRefused"), "warn", "warn"],
  ACTION_SEALING_REQUIRED: [t("action.sealingRequired"), "key"],
  ACTION_SEALING_NOT_REQUIRED: [t("action.sealingNotRequired"), "key", "warn"],
  ACTION_PURPOSES_REPORTED: [t("action.purposesReported"), "key"],
  ACTION_UPGRADED: [t("action.upgraded"), "other"],
  ACTION_APPROVED: [t("action.approved"), "proof", "good"],
  ACTION_ACTIVATED: [t("action.activated"), "on"],
  ACTION_DEACTIVATED: [t("action.deactivated"), "off", "warn"],
  ACTION_VERIFIED: [t("action.verified"), "proof", "good"],
  ACTION_DEGRADED: [t("action.degraded"), "warn", "warn"],
  ACTION_TESTED: [t("action.tested"), "look"],
  ACTION_DIAGNOSED: [t("action.diagnosed"), "look"],
  ACTION_RECOVERED: [t("action.recovered"), "proof", "good"],
};

/** The action in words; an action that is newer than this page, by its own name. */
export function actionOf(action: string | undefined): { words: string; mark: Mark; tone: Tone } {
  const [words, mark, tone = "quiet"] = actions[action ?? ""] ?? [
    sentenceOf((action ?? "").replace(/^ACTION_/, "")),
    "other",
  ];
  return { words, mark, tone };
}

const versionTitles: Record<string, (version: number) => string> = {
  ACTION_VERSION_RESTORED: (version) => t("action.restoredVersion", { version }),
  ACTION_VERSION_ENABLED: (version) => t("action.enabledVersion", { version }),
  ACTION_VERSION_DISABLED: (version) => t("action.disabledVersion", { version }),
  ACTION_VERSION_DESTROYED: (version) => t("action.destroyedVersion", { version }),
};

function sentenceOf(name: string): string {
  const words = name.toLowerCase().replaceAll("_", " ");
  return words ? words[0]?.toUpperCase() + words.slice(1) : t("action.changed");
}

/** The resource that changed. */
export const resourceOf = (change: Change): string => change.secret || change.endpoint || "";

/** A summary of an entry: the version that an action applied to, or the fields that changed. */
export function titleOf(change: Change): string {
  const { words } = actionOf(change.action);
  const ofVersion = change.version ? versionTitles[change.action ?? ""] : undefined;
  if (ofVersion) return ofVersion(change.version ?? 0);
  // A new value is usually current; the version says so if it is not.
  const fields = (change.changedFields ?? []).filter((f) => f !== "current_version");
  if (change.action === "ACTION_UPDATED" && fields.join() === "shared") return t("action.shared");
  if (change.action !== "ACTION_UPDATED" || fields.length === 0) return words;
  return t("action.updatedFields", { fields: fields.map((f) => f.replaceAll("_", " ")).join(", ") });
}

/** The changes of an entry. Logs hold no values: a new value appears as its version number. */
export function diffsOf(change: Change): Diff[] {
  const found: Diff[] = [];
  const add = (field: string, from: string, to: string) => {
    if (from !== to) found.push({ field, from, to });
  };
  if (change.version) add(...versionOf(change.version, change));
  add(t("secret.description"), change.oldDescription ?? "", change.newDescription ?? "");
  add(t("secret.labels"), labels(change.oldLabels), labels(change.newLabels));
  add(t("secret.allowedHosts"), (change.oldAllowedHosts ?? []).join(", "), (change.newAllowedHosts ?? []).join(", "));
  add(t("secret.rotation"), everyWords(change.oldRotationPeriod), everyWords(change.newRotationPeriod));
  add(t("secret.usedFor"), (change.oldChains ?? []).join(", "), (change.chains ?? []).join(", "));
  add(t("history.minIterations"), change.oldMinCost ?? "", change.newMinCost ?? "");
  add("URL", change.oldUrl ?? "", change.newUrl ?? "");
  return found;
}

/** The facts of an entry about a version that its title does not contain. */
function versionOf(
  version: number,
  { action = "ACTION_UNSPECIFIED", changedFields = [] }: Change,
): [field: string, from: string, to: string] {
  if (action in versionTitles) return [t("history.version"), "", ""];
  if (action !== "ACTION_CREATED" && action !== "ACTION_UPDATED") return [t("history.version"), "", String(version)];
  const waits = action === "ACTION_UPDATED" && !changedFields.includes("current_version");
  return [t("history.newVersion"), "", waits ? t("history.notCurrentYet", { version }) : String(version)];
}

function labels(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([k, v]) => (v ? `${k}=${v}` : k))
    .join(", ");
}

/** The actor: the subject of a token without its issuer, and otherwise the full name. */
export function actorOf(change: Change): string {
  const subject = change.actor?.subject ?? "";
  if (subject === "system") return t("history.system");
  if (subject.startsWith("spiffe://")) return `${idOf(subject)} (workload)`;
  return subject.slice(subject.lastIndexOf("#") + 1);
}

/** The text of an entry that a search matches. */
export function haystack(change: Change): string {
  return [
    change.actor?.subject,
    change.reason,
    resourceOf(change),
    titleOf(change),
    ...(change.changedFields ?? []),
    ...diffsOf(change).flatMap((d) => [d.from, d.to]),
  ]
    .join("\n")
    .toLowerCase();
}

const columns = [
  "sequence",
  "time",
  "actor",
  "roles",
  "address",
  "action",
  "resource",
  "uid",
  "version",
  "changed_fields",
  "changes",
  "referrers",
  "secrets",
  "reason",
  "request_id",
];

/** The entries as a table for spreadsheets (RFC 4180). */
export function toCsv(changes: Change[]): string {
  const rows = changes.map((c) => [
    String(c.sequence ?? ""),
    c.time ?? "",
    c.actor?.subject ?? "",
    (c.actor?.roles ?? []).join(" "),
    c.actor?.address ?? "",
    (c.action ?? "").replace(/^ACTION_/, ""),
    resourceOf(c),
    c.uid ?? "",
    c.version ? String(c.version) : "",
    (c.changedFields ?? []).join(" "),
    diffsOf(c)
      .map((d) => `${d.field}: ${d.from || "–"} → ${d.to || "–"}`)
      .join("; "),
    (c.referrers ?? []).join(" "),
    (c.secrets ?? []).join(" "),
    c.reason ?? "",
    c.requestId ?? "",
  ]);
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** A cell that a spreadsheet would interpret as a formula starts with an apostrophe. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
