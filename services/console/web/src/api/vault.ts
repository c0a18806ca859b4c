import type {
  ListSecretBindingsResponseJson,
  ListSecretHistoryResponseJson,
  ListSecretsResponseJson,
  ListSecretVersionsResponseJson,
} from "../gen/keyward/vault/v1/service_pb";
import type {
  SealingJson,
  SecretJson,
  SecretValueJson,
  SecretVersionJson,
  UsageJson,
} from "../gen/keyward/vault/v1/resources_pb";
import { byName } from "../ui/order";
import { call } from "./client";
import { idOf, workspaceName } from "./names";

export type Sort = "name" | "name desc" | "update_time" | "update_time desc";

export interface SecretFilter {
  query?: string;
  usage?: UsageJson;
  label?: string;
  /** Only secrets that should have a new value before this time. */
  rotationDueBefore?: string;
  orderBy?: Sort;
}

/** A page of a list: its size and its token. */
export interface Page {
  pageSize?: number;
  pageToken?: string;
}

export const listSecrets = (workspace: string, filter: SecretFilter & Page, signal?: AbortSignal) =>
  call<ListSecretsResponseJson>("GET", `${workspaceName(workspace)}/secrets`, { query: { ...filter }, signal });

export const getSecret = (name: string, signal?: AbortSignal) => call<SecretJson>("GET", name, { signal });

export const createSecret = (
  workspace: string,
  id: string,
  secret: SecretJson,
  options: { requestId: string; reason?: string },
) =>
  call<SecretJson>("POST", `${workspaceName(workspace)}/secrets`, {
    query: { secretId: id, ...options },
    body: secret,
  });

/** Whether a name is taken, judging by one page of names that contain it. */
export async function isTaken(workspace: string, id: string): Promise<boolean> {
  const { secrets } = await listSecrets(workspace, { query: id, pageSize: 1000 });
  return (secrets ?? []).some((s) => idOf(s.name) === id);
}

/** Changes a secret. A `value` adds a version, which becomes current unless `keepCurrent` is set. */
export const updateSecret = (
  secret: SecretJson & { name: string; value?: SecretValueJson },
  options: { updateMask: string; requestId: string; reason?: string; keepCurrent?: boolean },
) => call<SecretJson>("PATCH", secret.name, { query: options, body: secret });

/** Replaces the wrong purpose of a KEY, as a super admin. */
export const replacePurpose = (
  name: string,
  options: { chains: string[]; minCost?: string; reason: string; etag?: string; requestId: string },
) => call<SecretJson>("POST", `${name}:replacePurpose`, { body: options });

export const deleteSecret = (name: string, options: { etag?: string; reason?: string; force?: boolean }) =>
  call<object>("DELETE", name, { query: options });

export const listVersions = (name: string, page: Page, signal?: AbortSignal) =>
  call<ListSecretVersionsResponseJson>("GET", `${name}/versions`, { query: { ...page }, signal });

export const getSealing = (workspace: string, signal?: AbortSignal) =>
  call<SealingJson>("GET", `${workspaceName(workspace)}/sealing`, { signal });

/** Changes whether values must arrive sealed. */
export const updateSealing = (
  workspace: string,
  sealing: Pick<SealingJson, "required" | "etag">,
  options: { reason?: string; requestId: string },
) => call<SealingJson>("PATCH", `${workspaceName(workspace)}/sealing`, { query: options, body: sealing });

/** The actions on a version. */
export type VersionAct = "restore" | "enable" | "disable" | "destroy";

/** Performs an action on a version, by its name. The etag is the secret's; `force` applies only to `destroy`. */
export const actOnVersion = (
  name: string,
  act: VersionAct,
  options: { etag?: string; reason?: string; requestId: string; force?: boolean },
) => call<SecretVersionJson>("POST", `${name}:${act}`, { body: options });

export const listBindings = (name: string, page: Page, signal?: AbortSignal) =>
  call<ListSecretBindingsResponseJson>("GET", `${name}/bindings`, { query: { ...page }, signal });

export const listSecretHistory = (name: string, page: Page, signal?: AbortSignal) =>
  call<ListSecretHistoryResponseJson>("GET", `${name}/history`, { query: { ...page }, signal });

/** The distinct resources that refer to a secret, at most a thousand. */
export async function listReferrers(name: string, signal?: AbortSignal): Promise<string[]> {
  const { bindings } = await listBindings(name, { pageSize: 1000 }, signal);
  const referrers = new Set((bindings ?? []).map((b) => b.referrer ?? "").filter(Boolean));
  return [...referrers].sort((a, b) => byName(idOf(a), idOf(b)));
}
