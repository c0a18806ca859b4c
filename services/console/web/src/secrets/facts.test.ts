import { expect, test } from "vitest";
import type { ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import { takenFor } from "./facts";

test.each<[ValueFactsJson, string]>([
  [
    { kind: "KIND_PRIVATE_KEY", algorithm: "RSA-2048", format: "PKCS #8 in PEM", bytes: 1704 },
    "RSA-2048 private key, PKCS #8 in PEM",
  ],
  [{ kind: "KIND_PGP_PUBLIC_KEY", bytes: 900 }, "OpenPGP public key"],
  [
    {
      kind: "KIND_TEXT",
      bytes: 64,
      forms: [
        { decoding: "HEX", bytes: 32 },
        { decoding: "BASE64", bytes: 48 },
      ],
    },
    "64 hexadecimal digits: a 32-byte key",
  ],
  [{ kind: "KIND_TEXT", bytes: 11 }, "text of 11 bytes"],
  [{ kind: "KIND_BYTES", bytes: 32, forms: [{ decoding: "RAW", bytes: 32 }] }, "32 bytes"],
])("%o is %s", (facts, words) => {
  expect(takenFor(facts)).toBe(words);
});
