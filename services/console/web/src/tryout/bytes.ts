// Bodies are bytes, in base64 on the wire. The page shows bodies as text if they are text.
import { t } from "../text/t";
import { base64 } from "../api/base64";

/** Encodes a string as bytes for the API. */
export const encoded = (text: string): string => base64(new TextEncoder().encode(text));

export interface Shown {
  text: string;
  /** Whether the bytes are not text, so that the page shows them in base64. */
  binary: boolean;
  bytes: number;
}

/** Decodes bytes from the API for display. */
export function shown(data: string | undefined): Shown {
  const raw = Uint8Array.from(atob(data ?? ""), (c) => c.charCodeAt(0));
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
    // Control characters would be invisible.
    if (!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text)) return { text, binary: false, bytes: raw.length };
  } catch {
    // Not UTF-8.
  }
  return { text: data ?? "", binary: true, bytes: raw.length };
}

/** Parses lines of `Name: value` as headers, with unchanged names. Lines without a colon are ignored. */
export function headersOf(lines: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of lines.split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at <= 0) continue;
    const name = line.slice(0, at).trim();
    const value = line.slice(at + 1).trim();
    found[name] = name in found ? `${found[name]}, ${value}` : value;
  }
  return found;
}

const stages: Record<string, string> = {
  select: t("step.select"),
  "sign inside": t("step.signInside"),
  key: t("step.key"),
  derive: t("step.derive"),
  iv: "IV",
  encrypt: t("step.encrypt"),
  mac: "MAC",
  envelope: t("step.envelope"),
  sign: t("step.sign"),
  decode: t("step.decode"),
  unwrap: t("step.unwrap"),
  decrypt: t("step.decrypt"),
  value: t("step.value"),
  signature: t("step.signature"),
};

/** A stage of a dry run or of a failure, in words; a stage that is newer than this page, by its own name. */
export const stageWords = (stage: string | undefined): string => stages[stage ?? ""] ?? stage ?? "";
