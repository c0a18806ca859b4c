import type { EndpointChange_ActionJson, EndpointChangeJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type { SecretChange_ActionJson, SecretChangeJson } from "../gen/keyward/vault/v1/resources_pb";
import { idOf } from "../api/names";
import { everyWords } from "../secrets/rotation";
import type { Tone } from "../ui/parts";

/** An entry of either change log. */
export type Change = Omit<SecretChangeJson & EndpointChangeJson, "action"> & {
  action?: SecretChange_ActionJson | EndpointChange_ActionJson;
};

/** What one entry says changed, field by field. */
export interface Diff {
  field: string;
  from: string;
  to: string;
}

/** What an action is about; the page shows each by an icon of its own. */
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

// Colour is for what takes away or endangers, and for proofs. All else is told by word and icon.
const actions: Record<string, [words: string, mark: Mark, tone?: Tone]> = {
  ACTION_CREATED: ["Created", "add"],
  ACTION_UPDATED: ["Updated", "edit"],
  ACTION_DELETED: ["Deleted", "remove", "bad"],
  ACTION_FORCE_DELETED: ["Deleted by force", "remove", "bad"],
  ACTION_BOUND: ["Taken into use", "link"],
  ACTION_UNBOUND: ["Taken out of use", "unlink"],
  ACTION_VERSION_RESTORED: ["Version made current again", "restore"],
  ACTION_VERSION_ENABLED: ["Version enabled", "on"],
  ACTION_VERSION_DISABLED: ["Version disabled", "off", "warn"],
  ACTION_VERSION_DESTROYED: ["Version destroyed", "destroy", "bad"],
  ACTION_PURPOSE_SEALED: ["Purpose sealed by the first use", "key"],
  ACTION_PURPOSE_REPLACED: ["Purpose replaced by a super admin", "key", "warn"],
  ACTION_EQUAL_VALUE_REFUSED: ["Refused: another secret has the same value", "warn", "warn"],
  ACTION_SEALING_REQUIRED: ["Sealed values required", "key"],
  ACTION_SEALING_NOT_REQUIRED: ["Sealed values no longer required", "key", "warn"],
  ACTION_PURPOSES_REPORTED: ["Recorded what its secrets are used for", "key"],
  ACTION_APPROVED: ["Approved", "proof", "good"],
  ACTION_ACTIVATED: ["Activated", "on"],
  ACTION_DEACTIVATED: ["Deactivated", "off", "warn"],
  ACTION_VERIFIED: ["Verified", "proof", "good"],
  ACTION_DEGRADED: ["Proof missing", "warn", "warn"],
  ACTION_TESTED: ["Tested with live keys", "look"],
  ACTION_DIAGNOSED: ["Sample diagnosed", "look"],
  ACTION_RECOVERED: ["Proof found again", "proof", "good"],
};

/** The action in words; one that is newer than this page, by its own name. */
export function actionOf(action: string | undefined): { words: string; mark: Mark; tone: Tone } {
  const [words, mark, tone = "quiet"] = actions[action ?? ""] ?? [
    sentenceOf((action ?? "").replace(/^ACTION_/, "")),
    "other" as Mark,
  ];
  return { words, mark, tone };
}

const versionTitles: Record<string, (version: number) => string> = {
  ACTION_VERSION_RESTORED: (version) => `Made version ${version} current again`,
  ACTION_VERSION_ENABLED: (version) => `Enabled version ${version}`,
  ACTION_VERSION_DISABLED: (version) => `Disabled version ${version}`,
  ACTION_VERSION_DESTROYED: (version) => `Destroyed version ${version}`,
};

function sentenceOf(name: string): string {
  const words = name.toLowerCase().replaceAll("_", " ");
  return words ? words[0]?.toUpperCase() + words.slice(1) : "Changed";
}

/** The resource that changed. */
export const resourceOf = (change: Change): string => change.secret || change.endpoint || "";

/** An entry in a few words: which version something was done to, or which fields changed. */
export function titleOf(change: Change): string {
  const { words } = actionOf(change.action);
  const ofVersion = change.version ? versionTitles[change.action ?? ""] : undefined;
  if (ofVersion) return ofVersion(change.version ?? 0);
  // A new value is the current one unless it waits; that is said of the version.
  const fields = (change.changedFields ?? []).filter((f) => f !== "current_version");
  if (change.action === "ACTION_UPDATED" && fields.join() === "shared")
    return "Shared with the endpoints of other hosts";
  if (change.action !== "ACTION_UPDATED" || fields.length === 0) return words;
  return `Updated ${fields.map((f) => f.replaceAll("_", " ")).join(", ")}`;
}

/** What changed from what to what. Values are in no log: a new one shows as its number. */
export function diffsOf(change: Change): Diff[] {
  const found: Diff[] = [];
  const add = (field: string, from: string, to: string) => {
    if (from !== to) found.push({ field, from, to });
  };
  if (change.version) add(...versionOf(change.version, change));
  add("Description", change.oldDescription ?? "", change.newDescription ?? "");
  add("Labels", labels(change.oldLabels), labels(change.newLabels));
  add("Allowed hosts", (change.oldAllowedHosts ?? []).join(", "), (change.newAllowedHosts ?? []).join(", "));
  add("Rotation", everyWords(change.oldRotationPeriod), everyWords(change.newRotationPeriod));
  add("Used for", (change.oldChains ?? []).join(", "), (change.chains ?? []).join(", "));
  add("Minimum iterations", change.oldMinCost ?? "", change.newMinCost ?? "");
  add("URL", change.oldUrl ?? "", change.newUrl ?? "");
  return found;
}

/** What an entry says of a version, where its title does not. */
function versionOf(
  version: number,
  { action = "ACTION_UNSPECIFIED", changedFields = [] }: Change,
): [field: string, from: string, to: string] {
  if (action in versionTitles) return ["Version", "", ""];
  if (action !== "ACTION_CREATED" && action !== "ACTION_UPDATED") return ["Version", "", String(version)];
  const waits = action === "ACTION_UPDATED" && !changedFields.includes("current_version");
  return ["New version", "", waits ? `${version}, not current yet` : String(version)];
}

function labels(map: Record<string, string> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([k, v]) => (v ? `${k}=${v}` : k))
    .join(", ");
}

/** Who it was: the subject of a token without its issuer, or the whole of any other name. */
export function actorOf(change: Change): string {
  const subject = change.actor?.subject ?? "";
  if (subject === "system") return "Keyward itself";
  if (subject.startsWith("spiffe://")) return `${idOf(subject)} (workload)`;
  return subject.slice(subject.lastIndexOf("#") + 1);
}

/** What an entry is searched by. */
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

/** A cell that a spreadsheet would take for a formula begins with an apostrophe. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
