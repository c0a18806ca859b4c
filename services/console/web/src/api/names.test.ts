import { describe, expect, test } from "vitest";
import { idOf, idRule, idRules, parseName } from "./names";

describe("the rule for ids", () => {
  test.each([
    ["payment-api-key", true],
    ["a", true],
    ["A.b_c-9", true],
    ["x".repeat(128), true],
    ["x".repeat(129), false],
    ["", false],
    ["-a", false],
    ["a.", false],
    ["a b", false],
    ["ä", false],
    ["a/b", false],
    ["a\nb", false],
  ])("%j is one: %s", (id, right) => {
    expect(idRule.test(id)).toBe(right);
    expect(idRules(id).every((r) => r.kept)).toBe(right);
  });
});

test("a resource name is taken apart, and what is none is not", () => {
  expect(parseName("workspaces/demo/secrets/a")).toEqual({ workspace: "demo", collection: "secrets", id: "a" });
  for (const wrong of ["set", "", "workspaces/demo", "workspaces/demo/secrets/a/versions/1", "https://x/y/z/a"])
    expect(parseName(wrong)).toBeUndefined();
  expect(idOf("workspaces/demo/secrets/a")).toBe("a");
  expect(idOf(undefined)).toBe("");
});
