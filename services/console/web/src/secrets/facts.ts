import type { ValueFacts_KindJson, ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import { t, type TextId } from "../text/t";

const kinds: Partial<Record<ValueFacts_KindJson, string>> = {
  KIND_PRIVATE_KEY: t("facts.privateKey"),
  KIND_PUBLIC_KEY: t("facts.publicKey"),
  KIND_CERTIFICATE: t("facts.certificate"),
  KIND_PGP_PRIVATE_KEY: t("facts.pgpPrivate"),
  KIND_PGP_PUBLIC_KEY: t("facts.pgpPublic"),
};

/** The names of the decodings, for display. */
const digits: Record<string, TextId> = {
  HEX: "facts.hex",
  BASE64: "facts.base64",
  BASE64URL: "facts.base64url",
  WHSEC: "facts.whsec",
};

/** A description of the value that the vault detected: `RSA-2048 private key, PKCS #8 in PEM`. */
export function takenFor({ kind, algorithm, format, bytes = 0, forms }: ValueFactsJson): string {
  const key = kinds[kind ?? "KIND_UNSPECIFIED"];
  if (key) return [[algorithm, key].filter(Boolean).join(" "), format].filter(Boolean).join(", ");
  const read = forms?.[0];
  const id = digits[read?.decoding ?? ""];
  if (id) return t(id, { count: bytes, bytes: read?.bytes ?? 0 });
  return kind === "KIND_TEXT" ? t("facts.text", { count: bytes }) : t("ui.bytes", { count: bytes });
}
