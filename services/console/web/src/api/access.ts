import { useQuery } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import type { CallerJson } from "../gen/keyward/access/v1/service_pb";
import { call } from "./client";
import { idOf } from "./names";

/** The signed-in user, as the servers see the user. */
export function useCaller() {
  return useQuery({
    queryKey: ["caller"],
    queryFn: ({ signal }) => call<CallerJson>("GET", "caller", { signal }),
    staleTime: 60_000,
  });
}

/** The caller's permissions in one workspace. The servers decide; this only hides what they would deny. */
export interface Access {
  workspace: string;
  /** Owner or super admin: all access to secrets, and changes of endpoints. */
  manage: boolean;
  /** At least a member: sees endpoints. */
  see: boolean;
  /** Super admin: approves endpoints and deletes by force. */
  admin: boolean;
}

export function accessTo(caller: CallerJson, workspace: string): Access {
  const roles = (caller.workspaces ?? [])
    .filter((w) => w.workspace === `workspaces/${workspace}` || w.workspace === "workspaces/-")
    .flatMap((w) => w.roles ?? []);
  const admin = caller.superAdmin ?? false;
  const manage = admin || roles.includes("ROLE_OWNER");
  return { workspace, admin, manage, see: manage || roles.includes("ROLE_MEMBER") };
}

/** The workspaces that a caller can choose from, by name. */
export function workspacesOf(caller: CallerJson): string[] {
  const people = (caller.workspaces ?? []).filter((w) =>
    w.roles?.some((r) => r === "ROLE_OWNER" || r === "ROLE_MEMBER"),
  );
  return people.map((w) => idOf(w.workspace)).filter((id) => id !== "-");
}

/** Whether the caller has a role in every workspace, so that any name may be typed. */
export function everywhere(caller: CallerJson): boolean {
  return (caller.superAdmin ?? false) || (caller.workspaces ?? []).some((w) => w.workspace === "workspaces/-");
}

const AccessContext = createContext<Access | undefined>(undefined);

export const AccessProvider = AccessContext.Provider;

/** The caller's permissions in the current workspace. */
export function useAccess(): Access {
  const access = useContext(AccessContext);
  if (!access) throw new Error("used outside a workspace");
  return access;
}
