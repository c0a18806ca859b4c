import { useQuery } from "@tanstack/react-query";
import type { ListWorkspacesResponseJson as OfAllowlist } from "../gen/keyward/allowlist/v1/service_pb";
import type { ListWorkspacesResponseJson as OfVault } from "../gen/keyward/vault/v1/service_pb";
import { byName } from "../ui/order";
import { call } from "./client";
import { idOf } from "./names";

/** A workspace, and the number of its resources that the caller may see. */
export interface Workspace {
  id: string;
  secrets: number;
  endpoints: number;
}

/** The services stop counting here. */
export const countLimit = 1000;

/** The workspaces that the caller may work in; undefined while loading. */
export function useWorkspaces(enabled = true): Workspace[] | undefined {
  return useQuery({
    queryKey: ["workspaces"],
    queryFn: ({ signal }) => listWorkspaces(signal),
    enabled,
    staleTime: 10_000,
  }).data;
}

async function listWorkspaces(signal: AbortSignal): Promise<Workspace[]> {
  const [vault, allowlist] = await Promise.all([
    all<OfVault>("workspaces", signal),
    all<OfAllowlist>("workspaces:endpoints", signal),
  ]);
  const found = new Map<string, Workspace>();
  const of = (name: string | undefined): Workspace => {
    const id = idOf(name);
    const workspace = found.get(id) ?? { id, secrets: 0, endpoints: 0 };
    found.set(id, workspace);
    return workspace;
  };
  for (const w of vault.flatMap((p) => p.workspaces ?? [])) of(w.name).secrets = w.secretCount ?? 0;
  for (const w of allowlist.flatMap((p) => p.workspaces ?? [])) of(w.name).endpoints = w.endpointCount ?? 0;
  return [...found.values()].sort((a, b) => byName(a.id, b.id));
}

/** Returns all pages of a list. */
async function all<Page extends { nextPageToken?: string }>(path: string, signal: AbortSignal): Promise<Page[]> {
  const pages: Page[] = [];
  do
    pages.push(
      await call<Page>("GET", path, { query: { pageSize: 1000, pageToken: pages.at(-1)?.nextPageToken }, signal }),
    );
  while (pages.at(-1)?.nextPageToken);
  return pages;
}
