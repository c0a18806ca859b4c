import { describe, expect, test } from "vitest";
import { encoded, headersOf, shown, stageWords } from "./bytes";

describe("a body", () => {
  test("that is text comes back as it was", () => {
    expect(shown(encoded('{"amount":"12 €"}'))).toEqual({ text: '{"amount":"12 €"}', binary: false, bytes: 19 });
    expect(shown(undefined)).toEqual({ text: "", binary: false, bytes: 0 });
  });

  test.each([
    ["is not UTF-8", "/w=="],
    ["has control characters", "AAE="],
  ])("that %s shows in base64", (_, data) => {
    expect(shown(data)).toMatchObject({ text: data, binary: true });
  });
});

test("headers are read line by line, several of one name joined", () => {
  expect(headersOf("X-Key: a:b\r\nno header\nX-Id : 1\nX-Id: 2\n")).toEqual({ "X-Key": "a:b", "X-Id": "1, 2" });
});

test("a stage is in words, whether the page knows it or not", () => {
  expect(stageWords("iv")).toBe("IV");
  expect(stageWords("new stage")).toBe("new stage");
});
