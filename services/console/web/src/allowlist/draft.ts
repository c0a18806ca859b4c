import type { EndpointJson, ParameterJson, BodyValueJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { t } from "../text/t";
import { pruned, type Json } from "../shape/value";

/** An endpoint that is not saved yet. It holds references, never the value of a secret. */
export interface Draft {
  displayName: string;
  description: string;
  labels: Record<string, string>;
  methods: string[];
  url: string;
  /** The reason why a URL that looks like key material is public; undefined if it is not declared public. */
  urlPublicReason: string | undefined;
  contentType: string;
  headers: ParameterJson[];
  queryParameters: ParameterJson[];
  bodyValues: BodyValueJson[];
  encryption: Json | undefined;
}

export function draftOf(endpoint: EndpointJson = {}): Draft {
  return {
    displayName: endpoint.displayName ?? "",
    description: endpoint.description ?? "",
    labels: endpoint.labels ?? {},
    methods: endpoint.methods?.length ? endpoint.methods : endpoint.name ? [] : ["POST"],
    url: endpoint.url ?? "",
    urlPublicReason: endpoint.urlPublicReason || undefined,
    contentType: endpoint.contentType ?? "",
    headers: endpoint.headers ?? [],
    queryParameters: endpoint.queryParameters ?? [],
    bodyValues: endpoint.bodyValues ?? [],
    encryption: endpoint.encryption ? pruned("keyward.allowlist.v1.Encryption", endpoint.encryption) : undefined,
  };
}

/** The fields of a draft, by their name in the mask, with their labels. */
export const fields: { mask: string; json: keyof Draft; name: string }[] = [
  { mask: "display_name", json: "displayName", name: t("endpoint.displayName") },
  { mask: "description", json: "description", name: t("endpoint.description") },
  { mask: "labels", json: "labels", name: t("endpoint.labels") },
  { mask: "methods", json: "methods", name: t("endpoint.methods") },
  { mask: "url", json: "url", name: "URL" },
  // Saved only together with its URL.
  { mask: "url", json: "urlPublicReason", name: t("draft.urlReason") },
  { mask: "content_type", json: "contentType", name: t("endpoint.contentType") },
  { mask: "headers", json: "headers", name: t("endpoint.headers") },
  { mask: "query_parameters", json: "queryParameters", name: t("endpoint.queryParameters") },
  { mask: "body_values", json: "bodyValues", name: t("draft.bodyValues") },
  { mask: "encryption", json: "encryption", name: t("encryption.title") },
];

/** Formats a field of a draft for comparison with another version of it. */
export function show(draft: Draft, json: keyof Draft): string {
  const value = draft[json];
  if (typeof value === "string") return value;
  if (value === undefined) return "";
  if (Array.isArray(value) && value.every((v) => typeof v === "string")) return value.join(", ");
  const empty = Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
  return empty ? "" : JSON.stringify(sorted(value), null, 2);
}

/** JSON with sorted members, so that equal contents have equal text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([k, v]) => [k, sorted(v)]),
  );
}

/** The names of the fields in which two drafts differ, for an update mask. */
export function changed(before: Draft, after: Draft): string[] {
  return [...new Set(fields.filter((f) => show(before, f.json) !== show(after, f.json)).map((f) => f.mask))];
}

/** Converts the draft for the API, limited to a mask if there is one. */
export function endpointOf(draft: Draft, mask?: string[]): EndpointJson {
  const { encryption, urlPublicReason, ...others } = draft;
  const rest = mask && !mask.includes("url") ? others : { ...others, urlPublicReason };
  return encryption ? { ...rest, encryption: pruned("keyward.allowlist.v1.Encryption", encryption) } : rest;
}

/**
 * The host of a URL in the format of allowed hosts, with its port unless that is 443; undefined if the URL is not
 * valid.
 */
export function hostOf(url: string): string | undefined {
  try {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/\.$/, "");
    return port ? `${host}:${port}` : host.replace(/^\[|\]$/g, "") || undefined;
  } catch {
    return undefined;
  }
}

/** Names whose values are never public. */
const neverPublic = /^(authorization|cookie|proxy-authorization|set-cookie)$|secret$/i;

/** Whether a value under a name that carries a credential may be public, such as the ID of a key. */
export const mayStandUnder = (name: string): boolean => !neverPublic.test(name);

const sensitive = /^(authorization|cookie|proxy-authorization|set-cookie)$|(key|token|secret)$/i;

/** Whether a header or query parameter of this name carries a credential, so that it accepts only a secret. */
export const carriesCredential = (name: string): boolean => sensitive.test(name);
