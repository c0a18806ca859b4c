import { expect, test } from "vitest";
import { decodingOfStored, lengthsOf } from "./decoding";

const hex64 = {
  forms: [
    { decoding: "HEX", bytes: 32 },
    { decoding: "BASE64", bytes: 48 },
    { decoding: "RAW", bytes: 64 },
  ],
};
const key = "workspaces/-/secrets/key";
const shared = (algorithm: string, more: object = {}) => ({
  request: { cipher: { algorithm, sharedKey: { keys: [{ name: key, decoding: "DECODING_BASE64" }], ...more } } },
});

test.each([
  ["AES-256-GCM", shared("ALGORITHM_AES_256_GCM"), [32]],
  ["AES-128-CBC", shared("ALGORITHM_AES_128_CBC"), [16]],
  ["Triple DES", shared("ALGORITHM_TRIPLE_DES_CBC"), [16, 24]],
  ["a key that is derived", shared("ALGORITHM_AES_256_GCM", { derivation: { digest: {} } }), undefined],
  [
    "JWE with dir",
    {
      request: {
        jose: {
          keyManagement: "KEY_MANAGEMENT_DIR",
          contentEncryption: "CONTENT_ENCRYPTION_A128CBC_HS256",
          keys: [{ name: key }],
        },
      },
    },
    [32],
  ],
  [
    "JWE with dir and GCM",
    {
      request: {
        jose: {
          keyManagement: "KEY_MANAGEMENT_DIR",
          contentEncryption: "CONTENT_ENCRYPTION_A256GCM",
          keys: [{ name: key }],
        },
      },
    },
    [32],
  ],
  ["JWE with A128KW", { request: { jose: { keyManagement: "KEY_MANAGEMENT_A128KW", keys: [{ name: key }] } } }, [16]],
  [
    "JWE with RSA",
    { request: { jose: { keyManagement: "KEY_MANAGEMENT_RSA_OAEP_256", keys: [{ name: key }] } } },
    undefined,
  ],
  [
    "a wrapped key",
    { request: { cipher: { algorithm: "ALGORITHM_AES_256_GCM", sessionKey: { aesKw: {}, keys: [{ name: key }] } } } },
    [16, 24, 32],
  ],
  [
    "a key that signs",
    { request: { signing: { mac: { algorithm: "ALGORITHM_HMAC_SHA256" }, keys: [{ name: key }] } } },
    undefined,
  ],
  ["a key of responses", { request: {}, response: shared("ALGORITHM_AES_192_CTR").request }, [24]],
])("the lengths of the keys of %s", (_, encryption, want) => {
  expect(lengthsOf(encryption, key)).toEqual(want);
});

test.each([
  [
    "64 hexadecimal digits for AES-256, whatever the preset prefers",
    { facts: hex64, generated: false },
    [32],
    "DECODING_BASE64",
    "DECODING_HEX",
  ],
  [
    "what the preset prefers, where any length is right",
    { facts: hex64, generated: false },
    undefined,
    "DECODING_BASE64",
    "DECODING_BASE64",
  ],
  [
    "the likeliest, where nothing is preferred",
    { facts: hex64, generated: false },
    undefined,
    undefined,
    "DECODING_HEX",
  ],
  ["a generated key", { facts: undefined, generated: true }, [32], "DECODING_BASE64", "DECODING_RAW"],
  ["nothing that fits", { facts: hex64, generated: false }, [16], "DECODING_BASE64", undefined],
  ["a vault that does not tell", { facts: undefined, generated: false }, [32], "DECODING_BASE64", undefined],
])("a stored value is read as %s", (_, stored, lengths, preferred, want) => {
  expect(decodingOfStored(stored, lengths, preferred)).toBe(want);
});
