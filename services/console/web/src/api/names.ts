// Resource names, such as `workspaces/{workspace}/secrets/{secret}`.

import { t } from "../text/t";
export const idRule = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;

export const workspaceName = (workspace: string): string => `workspaces/${workspace}`;
export const secretName = (workspace: string, id: string): string => `workspaces/${workspace}/secrets/${id}`;
export const endpointName = (workspace: string, id: string): string => `workspaces/${workspace}/endpoints/${id}`;

/** The last part of a resource name. */
export const idOf = (name: string | undefined): string => name?.split("/").at(-1) ?? "";

/** The parts of the name of an endpoint or secret. */
export function parseName(name: string): { workspace: string; collection: string; id: string } | undefined {
  const [top, workspace, collection, id, ...rest] = name.split("/");
  if (top !== "workspaces" || !workspace || !collection || !id || rest.length > 0) return undefined;
  return { workspace, collection, id };
}

/** A part of the rule for IDs, and whether an ID follows it. */
export interface Rule {
  words: string;
  kept: boolean;
}

/** The rule for IDs in parts, for a form that shows it while the user types. */
export function idRules(id: string): Rule[] {
  return [
    { words: t("names.length"), kept: id.length >= 1 && id.length <= 128 },
    { words: t("names.characters"), kept: id !== "" && /^[A-Za-z0-9._-]*$/.test(id) },
    { words: t("names.ends"), kept: /^[A-Za-z0-9]$|^[A-Za-z0-9].*[A-Za-z0-9]$/s.test(id) },
  ];
}
