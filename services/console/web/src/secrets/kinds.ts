import { t } from "../text/t";
import type { Generate_KindJson } from "../gen/keyward/vault/v1/resources_pb";

export interface Kind {
  kind: Exclude<Generate_KindJson, "KIND_UNSPECIFIED">;
  group: string;
  name: string;
  words: string;
  /** The usage that this kind is the default for, if any. */
  for?: "USAGE_KEY" | "USAGE_CREDENTIAL" | "USAGE_PARAMETER";
}

const pair = t("kind.keyPairWords");

/** The kinds of values that the vault can generate. */
export const kinds: Kind[] = [
  {
    kind: "KIND_AES_256",
    group: t("kind.encryption"),
    name: t("kind.aes256"),
    words: t("kind.bytes32"),
    for: "USAGE_KEY",
  },
  { kind: "KIND_AES_192", group: t("kind.encryption"), name: t("kind.aes192"), words: t("kind.bytes24") },
  {
    kind: "KIND_AES_128",
    group: t("kind.encryption"),
    name: t("kind.aes128"),
    words: t("kind.bytes16"),
    for: "USAGE_PARAMETER",
  },
  { kind: "KIND_HMAC_SHA256", group: t("kind.signing"), name: t("kind.hmacsha256"), words: t("kind.bytes32") },
  { kind: "KIND_HMAC_SHA512", group: t("kind.signing"), name: t("kind.hmacsha512"), words: t("kind.bytes64") },
  {
    kind: "KIND_PASSWORD",
    group: t("kind.passwords"),
    name: t("kind.password"),
    words: t("kind.passwordWords"),
    for: "USAGE_CREDENTIAL",
  },
  { kind: "KIND_RSA_2048", group: t("kind.pairs"), name: t("kind.rsa2048"), words: pair },
  { kind: "KIND_RSA_3072", group: t("kind.pairs"), name: t("kind.rsa3072"), words: pair },
  { kind: "KIND_RSA_4096", group: t("kind.pairs"), name: t("kind.rsa4096"), words: pair },
  { kind: "KIND_EC_P256", group: t("kind.pairs"), name: t("kind.ecp256"), words: pair },
  { kind: "KIND_EC_P384", group: t("kind.pairs"), name: t("kind.ecp384"), words: pair },
  { kind: "KIND_ED25519", group: t("kind.pairs"), name: t("kind.ed25519"), words: pair },
  { kind: "KIND_X25519", group: t("kind.pairs"), name: t("kind.x25519"), words: pair },
];
