import { expect, test } from "vitest";
import { accessTo, everywhere, workspacesOf } from "./access";

test("an owner manages their workspace and sees no other", () => {
  const caller = {
    workspaces: [
      { workspace: "workspaces/a", roles: ["ROLE_OWNER" as const] },
      { workspace: "workspaces/b", roles: ["ROLE_SENDER" as const] },
    ],
  };
  expect(accessTo(caller, "a")).toMatchObject({ manage: true, see: true, admin: false });
  expect(accessTo(caller, "b")).toMatchObject({ manage: false, see: false });
  expect(accessTo(caller, "c")).toMatchObject({ see: false });
  expect(workspacesOf(caller)).toEqual(["a"]);
  expect(everywhere(caller)).toBe(false);
});

test("a member of all workspaces sees each and manages none", () => {
  const caller = { workspaces: [{ workspace: "workspaces/-", roles: ["ROLE_MEMBER" as const] }] };
  expect(accessTo(caller, "any")).toMatchObject({ see: true, manage: false });
  expect(workspacesOf(caller)).toEqual([]);
  expect(everywhere(caller)).toBe(true);
});

test("a super admin may all, everywhere; nobody may nothing", () => {
  expect(accessTo({ superAdmin: true }, "any")).toMatchObject({ see: true, manage: true, admin: true });
  expect(accessTo({}, "any")).toMatchObject({ see: false, manage: false, admin: false });
});
