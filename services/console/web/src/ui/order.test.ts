import { expect, test } from "vitest";
import { byName } from "./order";

test("numbers are compared as numbers, and letters in any case", () => {
  expect(["key-10", "Key-9", "key-2", "alpha", "Beta"].sort(byName)).toEqual(["alpha", "Beta", "key-2", "Key-9", "key-10"]);
});
