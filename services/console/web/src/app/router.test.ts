import { expect, test } from "vitest";
import { localPath, match, paths } from "./router";

test("a path is matched part by part", () => {
  expect(match("/secrets/:id", "/secrets/a.b")).toEqual({ id: "a.b" });
  expect(match("/secrets/:id", "/secrets/a/")).toEqual({ id: "a" });
  expect(match("/secrets/:id", "/secrets")).toBeUndefined();
  expect(match("/secrets/:id", "/secrets/a/b")).toBeUndefined();
  expect(match("/secrets/:id", "/secrets/%E0%A4%A")).toBeUndefined();
});

test("addresses are built so that they are matched again", () => {
  expect(paths.secret("demo", "a b/c", "history")).toBe("/w/demo/secrets/a%20b%2Fc/history");
  expect(match("/w/:w/secrets/:id/:tab", paths.secret("demo", "a b/c", "history"))).toEqual({
    w: "demo",
    id: "a b/c",
    tab: "history",
  });
});

test.each([
  ["/w/demo/secrets?q=a", "/w/demo/secrets?q=a"],
  ["//evil.example/", "/"],
  ["/\\\\evil.example/", "/"],
  ["https://evil.example/", "/"],
  ["javascript:alert(1)", "/"],
  ["https://keyward.example/w/demo", "/w/demo"],
])("%s is followed as %s", (path, followed) => {
  expect(localPath(path, "https://keyward.example")).toBe(followed);
});
