import type { PresetJson } from "../gen/keyward/allowlist/v1/service_pb";
import type { Json } from "../shape/value";

/** The presets that have all words of a query in their name, description or sources. */
export function matching(presets: PresetJson[], query: string): PresetJson[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return presets.filter((p) => {
    const text = [p.id, p.displayName, p.description, ...(p.sources ?? [])].join("\n").toLowerCase();
    return words.every((w) => text.includes(w));
  });
}

/** How a preset reads the bytes of a secret, or nothing where it takes them as they are. */
export function decodingOf(preset: PresetJson, secret: string): string | undefined {
  const found = decodings(preset.encryption ?? {}, `workspaces/-/secrets/${secret}`)[0];
  return found && !/_(UNSPECIFIED|RAW)$/.test(found) ? found : undefined;
}

/** The decodings of the references to a secret, however deep. */
function decodings(value: unknown, secret: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { name, decoding } = value as Json;
  if (name === secret) return typeof decoding === "string" ? [decoding] : [];
  return Object.values(value).flatMap((v) => decodings(v, secret));
}

/** A source as one reads it: the host of a URL, or the words themselves. */
export function sourceWords(source: string): { words: string; url?: string } {
  try {
    const url = new URL(source);
    if (url.protocol === "https:") return { words: url.hostname, url: source };
  } catch {
    // The name of a tool, which is no URL.
  }
  return { words: source };
}

/** A year from now: how long an unsafe choice is accepted unless somebody says otherwise. */
export function inAYear(): string {
  const at = new Date();
  at.setFullYear(at.getFullYear() + 1);
  return at.toISOString();
}

/** `client_private_key` as "Client private key". */
export function placeTitle(name: string): string {
  const words = name.replaceAll("_", " ").replace(/\b(api|iv|id|rsa|url)\b/g, (w) => w.toUpperCase());
  return words ? (words[0] ?? "").toUpperCase() + words.slice(1) : "";
}
