import { describe, expect, test } from "vitest";
import { actsOn, inUse } from "./versions";

describe("what is offered for a version", () => {
  test.each([
    ["an enabled one", { state: "VERSION_STATE_ENABLED" as const }, ["restore", "disable", "destroy"]],
    [
      "the current one, which is not restored",
      { state: "VERSION_STATE_ENABLED" as const, current: true },
      ["disable", "destroy"],
    ],
    [
      "a disabled one, which is not restored either",
      { state: "VERSION_STATE_DISABLED" as const },
      ["enable", "destroy"],
    ],
    [
      "the current one while it is disabled",
      { state: "VERSION_STATE_DISABLED" as const, current: true },
      ["enable", "destroy"],
    ],
    ["a destroyed one: nothing", { state: "VERSION_STATE_DESTROYED" as const }, []],
    ["one of a state that is newer than the page: nothing", {}, []],
  ])("%s", (_, version, acts) => {
    expect(actsOn(version)).toEqual(acts);
  });
});

describe("a version is in use", () => {
  const now = Date.parse("2026-05-10T12:00:00Z");
  test.each([
    ["when it is current and something refers to the secret", { referenceCount: 1 }, { current: true }, "current"],
    ["not when it is current and nothing does", {}, { current: true }, undefined],
    ["not when another is current", { referenceCount: 1 }, {}, undefined],
    ["when it was used within a day", {}, { lastUseTime: "2026-05-09T12:00:01Z" }, "recent"],
    ["not when it was used before", {}, { lastUseTime: "2026-05-09T12:00:00Z" }, undefined],
  ])("%s", (_, secret, version, why) => {
    expect(inUse(secret, version, now)).toBe(why);
  });
});
