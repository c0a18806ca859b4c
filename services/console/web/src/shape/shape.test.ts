import { describe, expect, test } from "vitest";
import { shape } from "../gen/shape";
import { usageIn } from "./usage";
import { begin, collect, isSet, pruned, withField } from "./value";
import { defaultWords, entriesOf, enumWords, inSentence, lead, titleOf, unsetWords } from "./words";

const profile = "keyward.allowlist.v1.Profile";
const field = (message: string, name: string) => {
  const found = shape.messages[`keyward.allowlist.v1.${message}`]?.fields.find((f) => f.name === name);
  if (!found) throw new Error(`${message} has no ${name}`);
  return found;
};

describe("the shape of an encryption", () => {
  test("has every type that it speaks of", () => {
    for (const message of Object.values(shape.messages)) {
      for (const f of message.fields) {
        if (f.message && !f.message.startsWith("google.protobuf."))
          expect(shape.messages[f.message], f.message).toBeDefined();
        if (f.enum) expect(shape.enums[f.enum], f.enum).toBeDefined();
        expect(f.words, f.name).not.toBe("");
      }
    }
  });

  test("has the limits of the proto", () => {
    expect(field("SharedKey", "keys")).toMatchObject({
      repeated: true,
      minItems: 1,
      maxItems: 4,
      message: "keyward.allowlist.v1.SecretRef",
    });
    expect(field("Signing", "headers")).toMatchObject({
      map: true,
      scalar: "string",
      keyPattern: "^[A-Za-z0-9_-]{1,64}$",
    });
    expect(field("Iv", "bytes")).toMatchObject({ choices: [0, 8, 12, 16] });
    expect(field("PresetUse", "id").pattern).toBe("^[a-z][a-z0-9_]{0,63}$");
  });
});

describe("a message in the editor", () => {
  test("begins with what is required", () => {
    expect(begin(field("Profile", "cipher"))).toEqual({ sharedKey: { keys: [{}] } });
    expect(begin(field("Encryption", "also_used_for"))).toEqual([{ key: {}, chains: [""] }]);
    expect(begin(field("Profile", "signing"))).toEqual({ mac: {}, keys: [{}], headers: { "X-Signature": "" } });
  });

  test("is sent without what is not set, and with empty choices", () => {
    const value = {
      request: {
        cipher: {
          algorithm: "ALGORITHM_AES_256_GCM",
          sharedKey: { keys: [{ name: "n", version: 0, decoding: "DECODING_UNSPECIFIED" }] },
        },
        selection: { wholeBody: {} },
        allowLegacy: [],
        signing: null,
      },
    };
    expect(pruned("keyward.allowlist.v1.Encryption", value)).toEqual({
      request: {
        cipher: { algorithm: "ALGORITHM_AES_256_GCM", sharedKey: { keys: [{ name: "n" }] } },
        selection: { wholeBody: {} },
      },
    });
  });

  test("keeps what its keys are used for besides", () => {
    const value = { alsoUsedFor: [{ key: { name: "n", version: 0 }, chains: ["raw > HMAC-SHA256(of=message)"] }] };
    expect(pruned("keyward.allowlist.v1.Encryption", value)).toEqual({
      alsoUsedFor: [{ key: { name: "n" }, chains: ["raw > HMAC-SHA256(of=message)"] }],
    });
    expect(pruned("keyward.allowlist.v1.Encryption", { alsoUsedFor: [] })).toEqual({});
  });

  test.each([
    ["Cipher", { iv: { source: "SOURCE_KEY_PREFIX" } }, "USAGE_KEY", "USAGE_EXPOSED_KEY"],
    ["Cipher", { iv: { source: "SOURCE_RANDOM" } }, "USAGE_KEY", "USAGE_KEY"],
    ["SharedKey", {}, "USAGE_EXPOSED_KEY", "USAGE_EXPOSED_KEY"],
    ["SessionKey", {}, "USAGE_EXPOSED_KEY", "USAGE_KEY"],
    ["EncryptThenMac", {}, "USAGE_EXPOSED_KEY", "USAGE_KEY"],
    ["Iv", {}, "USAGE_EXPOSED_KEY", "USAGE_PARAMETER"],
    ["Salt", {}, "USAGE_EXPOSED_KEY", "USAGE_PARAMETER"],
    ["DeclaredUse", {}, "USAGE_KEY", "USAGE_KEY"],
  ] as const)("of type %s with %j inside %s takes secrets of %s", (type, value, around, usage) => {
    expect(usageIn(`keyward.allowlist.v1.${type}`, value, around)).toBe(usage);
  });

  test("forgets a field that is taken away", () => {
    expect(withField({ a: 1, b: 2 }, "a", undefined)).toEqual({ b: 2 });
    expect(isSet(field("SecretRef", "decoding"), "DECODING_UNSPECIFIED")).toBe(false);
  });

  test("is searched to any depth", () => {
    expect(collect({ a: [{ algorithm: "x" }, { b: { algorithm: "y" } }] }, "algorithm")).toEqual(["x", "y"]);
  });
});

describe("words", () => {
  test("are made of names", () => {
    expect(enumWords("keyward.allowlist.v1.Cipher.Algorithm", "ALGORITHM_AES_256_GCM")).toBe("AES-256-GCM");
    expect(enumWords("keyward.allowlist.v1.Fields.Missing", "MISSING_SKIP")).toBe("Skip");
    expect(enumWords("keyward.allowlist.v1.Encoding", "ENCODING_BASE64_MIME")).toBe("Base64 MIME");
    expect(["Hexadecimal", "Base64", "PEM", "UTF-8"].map(inSentence)).toEqual([
      "hexadecimal",
      "base64",
      "PEM",
      "UTF-8",
    ]);
    expect(titleOf("keyward.allowlist.v1.Encryption", "also_used_for")).toBe("Other key uses");
    expect(titleOf("keyward.allowlist.v1.Fields", "value_form")).toBe("Value form");
    expect(defaultWords("keyward.allowlist.v1.Fields.Missing")).toBe("Error");
    expect(defaultWords("keyward.allowlist.v1.Cipher.Algorithm")).toBeUndefined();
  });

  test("say what a field is when it is left unset, if it says so itself", () => {
    const unset = (message: string, name: string) => {
      const { enum: type = "", words } = field(message, name);
      return unsetWords(type, words);
    };
    expect(unset("Signing", "encoding")).toBe("Default (Hexadecimal)");
    expect(unset("Blob", "encoding")).toBe("Default (Base64)");
    expect(unset("Envelope", "encoding")).toBe("Default (Raw)");
    expect(unset("Hkdf", "hash")).toBe("Default (SHA-256)");
    expect(unset("RsaOaep", "mgf1_hash")).toBe("Default");
    expect(unset("Fields", "missing")).toBe("Default (Error)");
  });

  test("lead with one sentence", () => {
    expect(lead("How requests are protected. Required.")).toEqual({
      first: "How requests are protected.",
      rest: "Required.",
    });
    expect(lead("One.")).toEqual({ first: "One.", rest: "" });
  });

  test("come in the order of the page", () => {
    expect(entriesOf(profile).map((e) => ("fields" in e ? e.oneof : e.name))).toEqual([
      "kind",
      "selection",
      "plaintext_encoding",
      "nested_jws",
      "outer_jws",
      "envelope",
      "signing",
      "allow_legacy",
    ]);
  });
});
