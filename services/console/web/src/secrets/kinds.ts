import type { Generate_KindJson } from "../gen/keyward/vault/v1/resources_pb";

export interface Kind {
  kind: Exclude<Generate_KindJson, "KIND_UNSPECIFIED">;
  group: string;
  name: string;
  words: string;
  /** What it is the first choice for, if it is one. */
  for?: "USAGE_KEY" | "USAGE_CREDENTIAL" | "USAGE_PARAMETER";
}

const pair = "Keyward then shows the public key, to hand to the partner.";

/** What the vault can draw. */
export const kinds: Kind[] = [
  { kind: "KIND_AES_256", group: "Encryption keys", name: "AES-256 key", words: "32 random bytes.", for: "USAGE_KEY" },
  { kind: "KIND_AES_192", group: "Encryption keys", name: "AES-192 key", words: "24 random bytes." },
  {
    kind: "KIND_AES_128",
    group: "Encryption keys",
    name: "AES-128 key",
    words: "16 random bytes.",
    for: "USAGE_PARAMETER",
  },
  { kind: "KIND_HMAC_SHA256", group: "Signing keys", name: "HMAC-SHA256 key", words: "32 random bytes." },
  { kind: "KIND_HMAC_SHA512", group: "Signing keys", name: "HMAC-SHA512 key", words: "64 random bytes." },
  {
    kind: "KIND_PASSWORD",
    group: "Passwords",
    name: "Password",
    words: "32 letters and digits, about 190 bits.",
    for: "USAGE_CREDENTIAL",
  },
  { kind: "KIND_RSA_2048", group: "Key pairs", name: "RSA, 2,048 bits", words: pair },
  { kind: "KIND_RSA_3072", group: "Key pairs", name: "RSA, 3,072 bits", words: pair },
  { kind: "KIND_RSA_4096", group: "Key pairs", name: "RSA, 4,096 bits", words: pair },
  { kind: "KIND_EC_P256", group: "Key pairs", name: "EC P-256", words: pair },
  { kind: "KIND_EC_P384", group: "Key pairs", name: "EC P-384", words: pair },
  { kind: "KIND_ED25519", group: "Key pairs", name: "Ed25519", words: pair },
  { kind: "KIND_X25519", group: "Key pairs", name: "X25519", words: pair },
];
