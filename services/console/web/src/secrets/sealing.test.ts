import { describe, expect, test } from "vitest";
import { Problem } from "../api/problem";
import { unsealable } from "./sealing";

const key = { keyId: "k" };

describe("whether a value can be sealed", () => {
  test("nothing is in the way, or nothing is known yet", () => {
    expect(unsealable({ data: { sealing: {}, key }, error: null })).toBeUndefined();
    expect(unsealable({ error: null })).toBeUndefined();
  });

  test.each([
    [
      "the workspace does not require it",
      { sealing: {}, obstacle: "No X25519." },
      null,
      { words: "No X25519.", required: false },
    ],
    [
      "the workspace requires it",
      { sealing: { required: true }, obstacle: "No X25519." },
      null,
      { words: "No X25519.", required: true },
    ],
    [
      "that is not known",
      undefined,
      new Problem(0, ""),
      { words: "Could not load the sealing keys. Cannot reach the server.", required: undefined },
    ],
    [
      "that was known before",
      { sealing: { required: true }, key },
      new Problem(0, ""),
      { words: "Could not load the sealing keys. Cannot reach the server.", required: true },
    ],
  ])("it cannot, and %s", (_, data, error, want) => {
    expect(unsealable({ data, error })).toEqual(want);
  });
});
