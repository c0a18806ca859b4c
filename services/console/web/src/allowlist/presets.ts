import type { PresetJson } from "../gen/keyward/allowlist/v1/service_pb";
import { idOf } from "../api/names";
import type { Json } from "../shape/value";

/** The presets that have all words of a query in their name, description or sources. */
export function matching(presets: PresetJson[], query: string): PresetJson[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return presets.filter((p) => {
    const text = [p.id, p.displayName, p.description, ...(p.sources ?? [])].join("\n").toLowerCase();
    return words.every((w) => text.includes(w));
  });
}

/** A reference inside a preset's configuration, and the place of the preset that it stands for. */
interface Reference {
  place: string;
  name: string;
  decoding: string;
}

/** The references of a preset's configuration, by their path as the server's findings write it. */
function references(value: unknown, at: string): Reference[] {
  if (Array.isArray(value)) return value.flatMap((v, i) => references(v, `${at}[${i}]`));
  if (typeof value !== "object" || value === null) return [];
  const { name, decoding } = value as Json;
  if (typeof name === "string" && name.startsWith("workspaces/-/secrets/")) return [{ place: at, name: idOf(name), decoding: typeof decoding === "string" ? decoding : "" }];
  return Object.entries(value).flatMap(([key, v]) => references(v, `${at}.${key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}`));
}

const referencesOf = (preset: PresetJson): Reference[] => references(preset.encryption ?? {}, "endpoint.encryption");

/** Where the server may find something wrong with the secret that stands in a place of a preset. */
export function placesOf(preset: PresetJson, secret: string): string[] {
  return referencesOf(preset).filter((r) => r.name === secret).flatMap(({ place }) => [place, `${place}.name`, `${place}.decoding`]);
}

/** How a preset reads the bytes of a secret, or nothing where it takes them as they are. */
export function decodingOf(preset: PresetJson, secret: string): string | undefined {
  const found = referencesOf(preset).find((r) => r.name === secret)?.decoding;
  return found && !/_(UNSPECIFIED|RAW)$/.test(found) ? found : undefined;
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
