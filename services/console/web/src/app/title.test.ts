import { expect, test } from "vitest";
import { pageTitle } from "./title";

test.each([
  ["/secrets", "Secrets"],
  ["/secrets/a.b", "a.b"],
  ["/secrets/a/used-by", "a, Used by"],
  ["/endpoints/bank/history", "bank, Change logs"],
  ["/new-endpoint", "Add endpoint"],
  ["/none", ""],
])("%s is %s", (path, title) => {
  expect(pageTitle(path)).toBe(title);
});
