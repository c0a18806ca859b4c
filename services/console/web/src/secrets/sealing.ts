import { useQuery } from "@tanstack/react-query";
import { useAccess } from "../api/access";
import { explain, problemOf } from "../api/problem";
import { getSealing } from "../api/vault";
import type { SealingJson, SealingKeyJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import { canSeal, sealingKey } from "./seal";

/** The prerequisites of sealing, or the reason why it is not possible. */
export interface Ability {
  sealing: SealingJson;
  key?: SealingKeyJson;
  /** The reason why values cannot be sealed, in words. */
  obstacle?: string;
}

/** The sealing keys of the workspace, and whether this browser can seal to them. */
export function useSealing() {
  const { workspace } = useAccess();
  return useQuery({
    queryKey: ["sealing", workspace],
    queryFn: ({ signal }) => abilityIn(workspace, signal),
    staleTime: 0,
  });
}

async function abilityIn(workspace: string, signal?: AbortSignal): Promise<Ability> {
  const [able, sealing] = await Promise.all([canSeal(), sealingOf(workspace, signal)]);
  if (!able)
    return {
      sealing,
      obstacle: t("sealing.noX25519"),
    };
  const key = await sealingKey(sealing);
  return key ? { sealing, key } : { sealing, obstacle: t("sealing.noKey") };
}

/** A vault of an earlier release has no sealing keys and no requirement. */
async function sealingOf(workspace: string, signal?: AbortSignal): Promise<SealingJson> {
  try {
    return await getSealing(workspace, signal);
  } catch (error) {
    if (problemOf(error).status === 501) return {};
    throw error;
  }
}

/** The reason why a value cannot be sealed. The value may be sent unsealed only if the vault accepts that. */
export interface Unsealable {
  words: string;
  /** Whether values must be sealed; undefined until the vault answers. */
  required?: boolean;
}

/** The reason why sealing is impossible; undefined if it is possible or not known yet. */
export function unsealable({ data, error }: { data?: Ability; error: Error | null }): Unsealable | undefined {
  const required = data && (data.sealing.required ?? false);
  if (error) return { words: t("sealing.keysFailed", { title: explain(problemOf(error)).title }), required };
  return data?.obstacle ? { words: data.obstacle, required } : undefined;
}
