import { useQuery } from "@tanstack/react-query";
import { checkKeys } from "../api/allowlist";
import { Problem } from "../api/problem";
import type { CheckKeysResponseJson } from "../gen/keyward/allowlist/v1/service_pb";
import type { Json } from "../shape/value";
import { endpointOf, hostOf, type Draft } from "./draft";

/** The references to secrets in an encryption, at any depth. */
export function refsOf(value: unknown): Json[] {
  if (typeof value !== "object" || value === null) return [];
  const { name } = value as Json;
  if (typeof name === "string" && name.includes("/secrets/")) return [value as Json];
  return Object.values(value).flatMap(refsOf);
}

/** The path of a reference in the form: in the encryption or in a preset. */
function fieldOf(encryption: Json, field: string, secret: string): string {
  const places = (encryption.preset as { secrets?: Record<string, Json> } | undefined)?.secrets ?? {};
  const place = Object.keys(places).find((p) => places[p]?.name === secret);
  return place ? `endpoint.encryption.preset.secrets["${place}"]` : `endpoint.encryption.${field}`;
}

/** The keys that cannot work, as an error with a violation for each; undefined if no key is known to be unusable. */
function misfitsOf(checked: CheckKeysResponseJson | undefined, encryption: Json = {}): Problem | undefined {
  const unfit = (checked?.keys ?? []).filter((k) => !k.fits);
  if (unfit.length === 0) return undefined;
  const fieldViolations = unfit.map((k) => ({
    field: fieldOf(encryption, k.field ?? "", k.secret ?? ""),
    description: k.cause ?? "",
    decoding: k.decoding || undefined,
  }));
  return new Problem(400, "", {
    details: [{ "@type": "google.rpc.ErrorInfo", reason: "KEY_NOT_USABLE" }, { fieldViolations }],
  });
}

/** The unusable keys of a draft. Saving the draft reports all other violations. */
export async function misfits(name: string, draft: Draft, signal?: AbortSignal): Promise<Problem | undefined> {
  if (!draft.encryption || refsOf(draft.encryption).length === 0) return undefined;
  const { url, encryption } = endpointOf(draft);
  try {
    return misfitsOf(await checkKeys(name, { endpoint: { url, encryption } }, signal), draft.encryption);
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** Checks the keys of a draft whenever a key or its decoding changes. */
export function useMisfits(name: string, draft: Draft): Problem | undefined {
  const refs = JSON.stringify(refsOf(draft.encryption));
  const ready = refs !== "[]" && hostOf(draft.url) !== undefined;
  const checked = useQuery({
    queryKey: ["keys", name, refs, ready],
    queryFn: async ({ signal }) => (await misfits(name, draft, signal)) ?? null,
    enabled: ready,
    retry: false,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return checked.data ?? undefined;
}
