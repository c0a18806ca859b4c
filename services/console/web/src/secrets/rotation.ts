import { t } from "../text/t";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";

const daySeconds = 86_400;

/** How long before its due date a secret is shown as due soon. */
export const soonDays = 14;

/** The longest period, in days. */
export const maxDays = 3_650;

/** Converts a period of the API, such as `7776000s`, to days; empty for no period. */
export function daysOf(period: string | undefined): string {
  const seconds = Number.parseFloat(period ?? "");
  return Number.isNaN(seconds) ? "" : String(seconds / daySeconds);
}

/** Converts typed days to a period of the API; undefined for no period. */
export const periodOf = (days: string): string | undefined =>
  days.trim() === "" ? undefined : `${Number(days) * daySeconds}s`;

/** The error for the entered days; undefined if they are valid. */
export function daysError(days: string): string | undefined {
  const text = days.trim();
  if (text === "" || (/^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= maxDays)) return undefined;
  return t("rotation.range", { maxDays });
}

/** A period in words: "every 90 days". */
export function everyWords(period: string | undefined): string {
  const days = Number(daysOf(period));
  if (days === 0) return "";
  if (days === 1) return t("rotation.everyDay");
  return t("rotation.everyDays", { days });
}

export type Due = "overdue" | "soon" | "later";

/** Whether a secret is due for a new value; undefined without a reminder. */
export function dueOf(secret: Pick<SecretJson, "rotationDueTime">, now: number): Due | undefined {
  const at = Date.parse(secret.rotationDueTime ?? "");
  if (Number.isNaN(at)) return undefined;
  if (at <= now) return "overdue";
  return at <= now + soonDays * daySeconds * 1000 ? "soon" : "later";
}

/** The latest due time that matches a choice of the list's filter; undefined for all. */
export function dueBefore(choice: string, now: number): string | undefined {
  if (choice !== "overdue" && choice !== "soon") return undefined;
  return new Date(choice === "overdue" ? now : now + soonDays * daySeconds * 1000).toISOString();
}
