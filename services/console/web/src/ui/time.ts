import { dateLocale, locale, t } from "../text/t";
const units: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const absolute = new Intl.DateTimeFormat(dateLocale, { dateStyle: "medium", timeStyle: "medium" });
const zone = new Intl.DateTimeFormat(dateLocale, { timeZoneName: "short" });
const date = new Intl.DateTimeFormat(dateLocale, { dateStyle: "medium" });

/** "3 hours ago", "in 2 days". Less than a minute is "now". */
export function ago(time: string, now: number): string {
  const seconds = (Date.parse(time) - now) / 1000;
  if (Number.isNaN(seconds)) return "";
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return seconds > 5 ? t("time.soon") : t("time.now");
}

/** The full time, with its zone. */
export function full(time: string): string {
  const at = new Date(time);
  if (Number.isNaN(at.getTime())) return "";
  const name = zone.formatToParts(at).find((p) => p.type === "timeZoneName")?.value ?? "";
  return `${absolute.format(at)} ${name}`;
}

/** Only the day. */
export function day(time: string): string {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? "" : date.format(at);
}
