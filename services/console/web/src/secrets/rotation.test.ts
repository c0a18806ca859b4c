import { describe, expect, test } from "vitest";
import { daysError, daysOf, dueBefore, dueOf, everyWords, periodOf } from "./rotation";

const now = Date.parse("2026-05-10T12:00:00Z");

test("a period is read and written in days", () => {
  expect(daysOf("7776000s")).toBe("90");
  expect(daysOf(undefined)).toBe("");
  expect(daysOf("129600s")).toBe("1.5");
  expect(periodOf("90")).toBe("7776000s");
  expect(periodOf(" ")).toBeUndefined();
});

test.each([
  ["7776000s", "every 90 days"],
  ["86400s", "every day"],
  ["129600s", "every 1.5 days"],
  ["315360000s", "every 3,650 days"],
  [undefined, ""],
])("%s is %s", (period, words) => {
  expect(everyWords(period)).toBe(words);
});

test.each(["0", "3651", "1.5", "-1", "ninety", "1e2", "99999"])("%s days are refused", (days) => {
  expect(daysError(days)).toMatch(/whole number of days/);
});

test.each(["", "1", " 90 ", "3650"])("“%s” days are taken", (days) => {
  expect(daysError(days)).toBeUndefined();
});

describe("a secret", () => {
  test.each([
    ["2026-05-10T12:00:00Z", "overdue"],
    ["2026-05-10T12:00:01Z", "soon"],
    ["2026-05-24T12:00:00Z", "soon"],
    ["2026-05-24T12:00:01Z", "later"],
    [undefined, undefined],
  ])("that is due %s is due %s", (rotationDueTime, due) => {
    expect(dueOf({ rotationDueTime }, now)).toBe(due);
  });
});

test("the list is asked for what is due before a time", () => {
  expect(dueBefore("overdue", now)).toBe("2026-05-10T12:00:00.000Z");
  expect(dueBefore("soon", now)).toBe("2026-05-24T12:00:00.000Z");
  expect(dueBefore("nonsense", now)).toBeUndefined();
});
