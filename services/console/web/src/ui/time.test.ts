import { expect, test } from "vitest";
import { ago, full } from "./time";

const now = Date.parse("2026-05-10T12:00:00Z");

test.each([
  ["2026-05-10T11:59:30Z", "just now"],
  ["2026-05-10T11:58:00Z", "2 minutes ago"],
  ["2026-05-10T09:00:01Z", "2 hours ago"],
  ["2026-05-09T11:00:00Z", "yesterday"],
  ["2026-03-01T12:00:00Z", "2 months ago"],
  ["2024-05-01T12:00:00Z", "2 years ago"],
  ["2026-05-12T12:00:00Z", "in 2 days"],
  ["2026-05-10T12:00:20Z", "in a moment"],
  ["nonsense", ""],
])("%s is %s", (time, words) => {
  expect(ago(time, now)).toBe(words);
});

test("a time in full has its zone", () => {
  expect(full("2026-05-10T12:00:00Z")).toMatch(/2026.*(UTC|GMT|[A-Z]{3,4}|[+-]\d)/);
  expect(full("nonsense")).toBe("");
});
