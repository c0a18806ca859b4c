import { describe, expect, test } from "vitest";
import type { PresetJson } from "../gen/keyward/allowlist/v1/service_pb";
import { decodingOf, matching, placeTitle, sourcesOf } from "./presets";

const ref = (name: string, decoding: "DECODING_PEM" | "DECODING_RAW") => ({
  name: `workspaces/-/secrets/${name}`,
  decoding,
});
const preset: PresetJson = {
  id: "bank",
  displayName: "The Bank",
  description: "AES-128-CBC with a session key.",
  sources: ["https://developer.bank.test/docs"],
  encryption: {
    request: { cipher: { sessionKey: { keys: [ref("bank_key", "DECODING_PEM")] } } },
    response: { signing: { keys: [ref("other", "DECODING_RAW")] } },
  },
};

describe("a preset", () => {
  test("is found by all words of a query, wherever they are", () => {
    expect(matching([preset], "cbc developer.bank")).toEqual([preset]);
    expect(matching([preset], "")).toEqual([preset]);
    expect(matching([preset], "cbc visa")).toEqual([]);
  });

  test("says how it reads a secret", () => {
    expect(decodingOf(preset, "bank_key")).toBe("DECODING_PEM");
    expect(decodingOf(preset, "other")).toBeUndefined();
  });
});

test("a source is a link if it is an address of the web, and words if not", () => {
  const docs = "https://developer.bank.test/docs";
  expect(sourcesOf({ sources: [docs, "openssl enc", "javascript:alert(1)"] })).toEqual([
    { words: "developer.bank.test", url: docs },
    { words: "openssl enc" },
    { words: "javascript:alert(1)" },
  ]);
  expect(sourcesOf({ sources: [`${docs}/a`, `${docs}/b/`] }).map((s) => s.words)).toEqual([
    "developer.bank.test … a",
    "developer.bank.test … b",
  ]);
  expect(sourcesOf({})).toEqual([]);
});

test("the name of a place reads as words", () => {
  expect(placeTitle("api_v3_key")).toBe("API v3 key");
  expect(placeTitle("iv")).toBe("IV");
});
