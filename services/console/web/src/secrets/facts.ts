import type { ValueFacts_KindJson, ValueFactsJson } from "../gen/keyward/vault/v1/resources_pb";
import { plural } from "../ui/parts";

const kinds: Partial<Record<ValueFacts_KindJson, string>> = {
  KIND_PRIVATE_KEY: "private key",
  KIND_PUBLIC_KEY: "public key",
  KIND_CERTIFICATE: "certificate",
  KIND_PGP_PRIVATE_KEY: "OpenPGP private key",
  KIND_PGP_PUBLIC_KEY: "OpenPGP public key",
};

/** What each decoding reads, for people. */
const digits: Record<string, string> = {
  HEX: "hexadecimal digits",
  BASE64: "characters of base64",
  BASE64URL: "characters of base64url",
  WHSEC: "characters after whsec_",
};

/** What the vault took a value for: `RSA-2048 private key, PKCS #8 in PEM`. */
export function takenFor({ kind, algorithm, format, bytes = 0, forms }: ValueFactsJson): string {
  const key = kinds[kind ?? "KIND_UNSPECIFIED"];
  if (key) return [[algorithm, key].filter(Boolean).join(" "), format].filter(Boolean).join(", ");
  const read = forms?.find((f) => digits[f.decoding ?? ""]);
  if (read && forms?.[0] === read)
    return `${bytes.toLocaleString("en")} ${digits[read.decoding ?? ""]}: a ${plural(read.bytes ?? 0, "byte")
      .replace(/s$/, "")
      .replace(" ", "-")} key`;
  return kind === "KIND_TEXT" ? `text of ${plural(bytes, "byte")}` : plural(bytes, "byte");
}
