import { expect, test } from "vitest";
import { changedPaths, draftOf, fields } from "./draft";

const secret = {
  name: "workspaces/demo/secrets/a",
  description: "d",
  labels: { b: "2", a: "1" },
  allowedHosts: ["z.test", "a.test"],
  rotationPeriod: "7776000s",
};

test("only what is another is sent", () => {
  const before = draftOf(secret);
  expect(
    changedPaths(before, { ...before, labels: { a: "1", b: "2" }, hosts: ["a.test", "z.test"], days: " 90 " }),
  ).toEqual([]);
  expect(changedPaths(before, { ...before, days: "" })).toEqual(["rotation_period"]);
  expect(changedPaths(before, { ...before, description: "", days: "30" })).toEqual(["description", "rotation_period"]);
});

test("a draft reads as the page shows it", () => {
  expect(fields.map((f) => f.show(draftOf(secret)))).toEqual(["d", "a=1\nb=2", "a.test\nz.test", "every 90 days"]);
  expect(fields.map((f) => f.show(draftOf({})))).toEqual(["", "", "", ""]);
});
