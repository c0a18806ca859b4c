import type { PresetJson } from "../gen/keyward/allowlist/v1/service_pb";
import type { Json } from "../shape/value";

/** The presets that contain all words of a query in their name, description, or sources. */
export function matching(presets: PresetJson[], query: string): PresetJson[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return presets.filter((p) => {
    const text = [p.id, p.displayName, p.description, ...(p.sources ?? [])].join("\n").toLowerCase();
    return words.every((w) => text.includes(w));
  });
}

/** How a preset decodes the bytes of a secret; undefined if it uses them as they are. */
export function decodingOf(preset: PresetJson, secret: string): string | undefined {
  const found = decodings(preset.encryption ?? {}, `workspaces/-/secrets/${secret}`)[0];
  return found && !/_(UNSPECIFIED|RAW)$/.test(found) ? found : undefined;
}

/** The decodings of the references to a secret, at any depth. */
function decodings(value: unknown, secret: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  const { name, decoding } = value as Json;
  if (name === secret) return typeof decoding === "string" ? [decoding] : [];
  return Object.values(value).flatMap((v) => decodings(v, secret));
}

/** The sources of a preset for display: addresses by their host, and by their page too if several share a host. */
export function sourcesOf({ sources = [] }: PresetJson): { words: string; url?: string }[] {
  const urls = sources.map(addressOf);
  return sources.map((source, i) => {
    const url = urls[i];
    if (!url) return { words: source };
    const page = url.pathname.split("/").filter(Boolean).at(-1);
    const alone = urls.filter((u) => u?.host === url.host).length === 1;
    return { words: alone || !page ? url.hostname : `${url.hostname} … ${page}`, url: source };
  });
}

/** The web address of a source; undefined if the source is the name of a tool. */
function addressOf(source: string): URL | undefined {
  const url = URL.canParse(source) ? new URL(source) : undefined;
  return url?.protocol === "https:" ? url : undefined;
}

/** A year from now: the default end of an acknowledgement. */
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
