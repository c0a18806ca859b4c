import { describe, expect, test } from "vitest";
import { actionOf, actorOf, diffsOf, haystack, titleOf, toCsv, type Change } from "./change";

const update: Change = {
  sequence: "7",
  time: "2026-05-01T10:00:00Z",
  actor: { subject: "https://login.test#jo", roles: ["owner"], address: "10.0.0.1" },
  action: "ACTION_UPDATED",
  secret: "workspaces/demo/secrets/a",
  version: 3,
  changedFields: ["description", "labels", "value", "current_version"],
  oldDescription: "old",
  newDescription: 'a "quoted" word, and\na line',
  oldLabels: {},
  newLabels: { team: "a", b: "" },
  reason: "=HYPERLINK(1)",
};

describe("an entry of a change log", () => {
  test("says what changed from what to what", () => {
    expect(diffsOf(update)).toEqual([
      { field: "New version", from: "", to: "3" },
      { field: "Description", from: "old", to: 'a "quoted" word, and\na line' },
      { field: "Labels", from: "", to: "b, team=a" },
    ]);
    expect(titleOf(update)).toBe("Updated description, labels, value");
    expect(titleOf({ action: "ACTION_CREATED", changedFields: ["value"] })).toBe("Created");
  });

  test("says of a new version whether it waits, and of a binding which it names", () => {
    expect(diffsOf({ action: "ACTION_UPDATED", version: 3, changedFields: ["value"] })).toEqual([
      { field: "New version", from: "", to: "3, not current yet" },
    ]);
    expect(diffsOf({ action: "ACTION_CREATED", version: 1 })).toEqual([{ field: "New version", from: "", to: "1" }]);
    expect(diffsOf({ action: "ACTION_BOUND", version: 2 })).toEqual([{ field: "Version", from: "", to: "2" }]);
  });

  test("says from what to what a rotation period changed", () => {
    const period: Change = { action: "ACTION_UPDATED", changedFields: ["rotation_period"] };
    expect(titleOf(period)).toBe("Updated rotation period");
    expect(diffsOf({ ...period, oldRotationPeriod: "7776000s", newRotationPeriod: "2592000s" })).toEqual([
      { field: "Rotation", from: "every 90 days", to: "every 30 days" },
    ]);
    expect(diffsOf({ ...period, oldRotationPeriod: "86400s" })).toEqual([
      { field: "Rotation", from: "every day", to: "" },
    ]);
  });

  test.each([
    ["ACTION_VERSION_RESTORED", "Made version 2 current again"],
    ["ACTION_VERSION_ENABLED", "Enabled version 2"],
    ["ACTION_VERSION_DISABLED", "Disabled version 2"],
    ["ACTION_VERSION_DESTROYED", "Destroyed version 2"],
  ] as const)("%s reads “%s”, and adds no version", (action, title) => {
    const change: Change = { action, version: 2, secret: "workspaces/demo/secrets/a" };
    expect(titleOf(change)).toBe(title);
    expect(diffsOf(change)).toEqual([]);
    expect(haystack(change)).toContain(title.toLowerCase());
  });

  test("says what a key is used for, and was before", () => {
    const sealed: Change = {
      action: "ACTION_PURPOSE_SEALED",
      secret: "workspaces/demo/secrets/a",
      chains: ["raw > A(iv=random/12,tag=16)", "raw > B"],
    };
    expect(titleOf(sealed)).toBe("Purpose sealed by first use");
    expect(diffsOf(sealed)).toEqual([{ field: "Used for", from: "", to: "raw > A(iv=random/12,tag=16), raw > B" }]);
    expect(haystack(sealed)).toContain("raw > b");
    const replaced: Change = { action: "ACTION_PURPOSE_REPLACED", oldChains: ["raw > B"], chains: ["raw > C"] };
    expect(titleOf(replaced)).toBe("Purpose replaced by a super admin");
    expect(diffsOf(replaced)).toEqual([{ field: "Used for", from: "raw > B", to: "raw > C" }]);
    expect(toCsv([replaced])).toContain("Used for: raw > B → raw > C");
    expect(diffsOf({ ...replaced, oldMinCost: "600000", newMinCost: "16384" })).toContainEqual({
      field: "Minimum iterations",
      from: "600000",
      to: "16384",
    });
    expect(diffsOf({ action: "ACTION_CREATED", chains: ["raw > B"] })).toEqual([
      { field: "Used for", from: "", to: "raw > B" },
    ]);
    expect(titleOf({ action: "ACTION_PURPOSES_REPORTED", endpoint: "workspaces/demo/endpoints/a" })).toBe(
      "Recorded what its secrets are used for",
    );
    expect(actionOf("ACTION_EQUAL_VALUE_REFUSED").words).toBe("Rejected: another secret has the same value");
    expect(titleOf({ action: "ACTION_UPDATED", changedFields: ["shared"] })).toBe(
      "Shared with endpoints of other hosts",
    );
  });

  test("is green for a proof alone, and red for what is gone", () => {
    expect(actionOf("ACTION_CREATED").tone).toBe("quiet");
    expect(actionOf("ACTION_VERIFIED").tone).toBe("good");
    for (const action of ["ACTION_DELETED", "ACTION_VERSION_DESTROYED"]) expect(actionOf(action).tone).toBe("bad");
  });

  test("says who it was", () => {
    expect(actorOf(update)).toBe("jo");
    expect(actorOf({ actor: { subject: "spiffe://x/allowlist" } })).toBe("allowlist (workload)");
    expect(actorOf({ actor: { subject: "system" } })).toBe("Keyward itself");
  });

  test("of an action that is newer than the page has its name for a word", () => {
    expect(actionOf("ACTION_VERSION_COPIED").words).toBe("Version copied");
    expect(actionOf(undefined).words).toBe("Changed");
  });

  test("is found by who, why and what", () => {
    for (const text of ["login.test#jo", "hyperlink", "secrets/a", "quoted", "team=a"])
      expect(haystack(update)).toContain(text);
  });

  test("is exported so that no spreadsheet runs it", () => {
    const [head, row] = toCsv([update]).split("\r\n");
    expect(head?.split(",")[0]).toBe("sequence");
    expect(row).toContain("'=HYPERLINK(1)");
    expect(toCsv([update])).toContain('Description: old → a ""quoted"" word, and\na line');
  });
});
