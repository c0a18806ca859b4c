import { expect, test } from "vitest";
import { byName, inOrder } from "./order";

test("numbers are compared as numbers, and letters in any case", () => {
  expect(["key-10", "Key-9", "key-2", "alpha", "Beta"].sort(byName)).toEqual([
    "alpha",
    "Beta",
    "key-2",
    "Key-9",
    "key-10",
  ]);
});

test("a page is put in order only if it is the whole list, by name", () => {
  const page = [{ name: "key-10" }, { name: "key-2" }];
  expect(inOrder(page, "name", true)).toEqual([{ name: "key-2" }, { name: "key-10" }]);
  expect(inOrder(page, "name desc", true)).toEqual(page);
  expect(inOrder(page, "name", false)).toEqual(page);
  expect(inOrder(page, "update_time", true)).toEqual(page);
});
