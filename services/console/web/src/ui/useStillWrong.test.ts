import { expect, test } from "vitest";
import { at } from "./useStillWrong";

const of = { endpoint: { displayName: "a", headers: [{ name: "b" }], labels: { "x.y": "c" } } };

test.each([
  ["endpoint.display_name", "a"],
  ["endpoint.headers[0].name", "b"],
  ['endpoint.labels["x.y"]', "c"],
  ["endpoint.headers[1].name", undefined],
  ["endpoint.none.at.all", undefined],
])("%s leads to %s", (path, found) => {
  expect(at(of, path)).toBe(found);
});
