import type { EndpointChangeJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type { SecretChangeJson } from "../gen/keyward/vault/v1/resources_pb";
import { idOf } from "../api/names";
import type { Tone } from "../ui/parts";

/** An entry of either change log. */
export type Change = SecretChangeJson & EndpointChangeJson;

/** What one entry says changed, field by field. */
export interface Diff {
  field: string;
  from: string;
  to: string;
}

const actions: Record<string, [string, Tone]> = {
  ACTION_CREATED: ["Created", "good"],
  ACTION_UPDATED: ["Updated", "info"],
  ACTION_DELETED: ["Deleted", "bad"],
  ACTION_FORCE_DELETED: ["Deleted by force", "bad"],
  ACTION_BOUND: ["Taken into use", "quiet"],
  ACTION_UNBOUND: ["Taken out of use", "quiet"],
  ACTION_APPROVED: ["Approved", "good"],
  ACTION_ACTIVATED: ["Activated", "good"],
  ACTION_DEACTIVATED: ["Deactivated", "warn"],
  ACTION_VERIFIED: ["Verified", "good"],
  ACTION_DEGRADED: ["Proof missing", "warn"],
  ACTION_TESTED: ["Tested with live keys", "info"],
  ACTION_DIAGNOSED: ["Sample diagnosed", "info"],
  ACTION_RECOVERED: ["Proof found again", "good"],
};

/** The action in words; one that is newer than this page, by its own name. */
export function actionOf(action: string | undefined): { words: string; tone: Tone } {
  const [words, tone] = actions[action ?? ""] ?? [sentenceOf((action ?? "").replace(/^ACTION_/, "")), "quiet" as Tone];
  return { words, tone };
}

function sentenceOf(name: string): string {
  const words = name.toLowerCase().replaceAll("_", " ");
  return words ? words[0]?.toUpperCase() + words.slice(1) : "Changed";
}

/** The resource that changed. */
export const resourceOf = (change: Change): string => change.secret || change.endpoint || "";

/** Whether it was the values or a version that changed, in words for the title. */
export function titleOf(change: Change): string {
  const { words } = actionOf(change.action);
  const fields = change.changedFields ?? [];
  if (change.action !== "ACTION_UPDATED" || fields.length === 0) return words;
  const names = fields.map((f) => (f === "value" ? "value" : f.replaceAll("_", " ")));
  return `Updated ${names.join(", ")}`;
}

/** What changed from what to what. Values are in no log: a new one shows as its number. */
export function diffsOf(change: Change): Diff[] {
  const found: Diff[] = [];
  const add = (field: string, from: string, to: string) => {
    if (from !== to) found.push({ field, from, to });
  };
  if (change.version) add("Version", change.version > 1 && change.action === "ACTION_UPDATED" ? String(change.version - 1) : "", String(change.version));
  add("Description", change.oldDescription ?? "", change.newDescription ?? "");
  add("Labels", labels(change.oldLabels), labels(change.newLabels));
  add("Allowed hosts", (change.oldAllowedHosts ?? []).join(", "), (change.newAllowedHosts ?? []).join(", "));
  add("URL", change.oldUrl ?? "", change.newUrl ?? "");
  return found;
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
  return [change.actor?.subject, change.reason, resourceOf(change), titleOf(change), ...(change.changedFields ?? []), ...diffsOf(change).flatMap((d) => [d.from, d.to])].join("\n").toLowerCase();
}

const columns = ["sequence", "time", "actor", "roles", "address", "action", "resource", "uid", "version", "changed_fields", "changes", "referrers", "secrets", "reason", "request_id"];

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
    diffsOf(c).map((d) => `${d.field}: ${d.from || "–"} → ${d.to || "–"}`).join("; "),
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
