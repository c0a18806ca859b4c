// The display names of names in the proto. Names that are not listed here are converted.
import { shape } from "../gen/shape";
import { t } from "../text/t";
import type { EnumShape, FieldShape } from "./shape";

const titles: Record<string, string> = {
  "Encryption.also_used_for": t("shape.title.alsoUsedFor"),
  "Profile.kind": t("shape.title.kind"),
  "Profile.plain": t("encryption.none"),
  "Profile.allow_legacy": t("shape.title.unsafe"),
  "Cipher.key": t("shape.title.key"),
  "Cipher.iv": t("shape.title.iv"),
  "SharedKey.keys": t("shape.title.keys"),
  "Iv.bytes": t("shape.title.bytes"),
  "Selection.part": t("shape.title.part"),
  "Envelope.body": t("shape.title.body"),
  "Envelope.json": t("shape.title.json"),
  "Envelope.text": t("shape.title.text"),
  "Profile.nested_jws": t("shape.title.nestedJws"),
  "Profile.outer_jws": t("shape.title.outerJws"),
  "Signing.scheme": t("shape.title.scheme"),
  "Signing.mac": t("shape.title.mac"),
  "Mac.algorithm": t("shape.title.algorithm"),
  "Part.piece": t("shape.title.piece"),
  "LegacyAcknowledgement.flag": t("shape.title.flag"),
  "LegacyAcknowledgement.expire_time": t("ack.until"),
};

/** Words that keep their own spelling. */
const spelled: Record<string, string> = {
  aes: "AES",
  cbc: "CBC",
  gcm: "GCM",
  hmac: "HMAC",
  rsa: "RSA",
  oaep: "OAEP",
  pss: "PSS",
  ec: "EC",
  ecdh: "ECDH",
  ecdsa: "ECDSA",
  iv: "IV",
  json: "JSON",
  jwe: "JWE",
  jws: "JWS",
  jwk: "JWK",
  jwt: "JWT",
  mac: "MAC",
  mime: "MIME",
  url: "URL",
  hkdf: "HKDF",
  kdf: "KDF",
  kid: "kid",
  aad: "AAD",
  pem: "PEM",
  der: "DER",
  pkcs: "PKCS",
  pkcs7: "PKCS #7",
  hex: "hexadecimal",
  base64: "base64",
  base64url: "base64url",
  xml: "XML",
  http: "HTTP",
  utf8: "UTF-8",
  ascii: "ASCII",
  id: "ID",
  sha1: "SHA-1",
  sha256: "SHA-256",
  sha384: "SHA-384",
  sha512: "SHA-512",
  md5: "MD5",
};

/** `value_form` as "Value form". */
export function sentence(name: string): string {
  const words = name
    .toLowerCase()
    .split("_")
    .map((w) => spelled[w] ?? w)
    .join(" ");
  return words ? (words[0] ?? "").toUpperCase() + words.slice(1) : "";
}

const local = (type: string): string => type.split(".").at(-1) ?? type;

/** The title of a field or oneof of a message. */
export function titleOf(message: string, name: string): string {
  return titles[`${local(message)}.${name}`] ?? sentence(name);
}

/** The label of a oneof without a choice. */
export const noneOf = (message: string, name: string): string =>
  `${local(message)}.${name}` === "Profile.kind" ? t("shape.signedOnly") : t("ui.none");

/** Converts words for use inside a sentence: "hexadecimal", but "PEM". */
export const inSentence = (words: string): string =>
  /^[A-Z][a-z]/.test(words) ? (words[0] ?? "").toLowerCase() + words.slice(1) : words;

/** `ALGORITHM_AES_256_GCM` as "AES-256-GCM", `MISSING_SKIP` as "Skip". */
export function enumWords(type: string, value: string): string {
  const found = shape.enums[type];
  const name = stripped(found, value);
  return local(type) === "Algorithm" ? algorithmWords(name) : sentence(name);
}

/** `AES_256_GCM` as "AES-256-GCM". */
export const algorithmWords = (name: string): string => name.replace(/^ALGORITHM_/, "").replaceAll("_", "-");

function stripped(found: EnumShape | undefined, value: string): string {
  const prefix = (found?.prefix ?? "").toUpperCase();
  return prefix && value.startsWith(prefix) ? value.slice(prefix.length) : value;
}

/** The meaning of an unset enum field, from the proto's comment of the first value. */
export function defaultWords(type: string): string | undefined {
  const [first] = shape.enums[type]?.values ?? [];
  if (!first || /^(Refused|Never)/.test(first.words)) return undefined;
  const name = first.words.replace(/\.$/, "");
  const same = shape.enums[type]?.values.find((v) => stripped(shape.enums[type], v.name) === name);
  return same ? enumWords(type, same.name) : first.words;
}

/** The label of the choice that leaves an enum field unset. The description of the field may name the default. */
export function unsetWords(type: string, words: string): string {
  const named =
    /\bDefault: ([A-Z][A-Z0-9_]*)\b/.exec(words)?.[1] ?? /\b([A-Z][A-Z0-9_]*) \(the default\)/.exec(words)?.[1];
  const value = shape.enums[type]?.values.find((v) => stripped(shape.enums[type], v.name) === named);
  const found = value ? enumWords(type, value.name) : defaultWords(type);
  return found && !found.endsWith(".") ? t("shape.defaultIs", { found }) : t("shape.default");
}

/** Whether the unset value of an enum may be chosen. */
export const mayBeUnset = (type: string): boolean => defaultWords(type) !== undefined;

/** The first sentence of a description in the proto; the rest shows on demand. */
export function lead(words: string): { first: string; rest: string } {
  const found = /^([\s\S]*?[.:])(?=\s+[A-Z0-9`]|\n|$)([\s\S]*)$/.exec(words);
  if (!found || (found[1] ?? "").length > 200) return { first: words, rest: "" };
  return { first: (found[1] ?? "").replace(/:$/, "."), rest: (found[2] ?? "").trim() };
}

/** Messages whose fields have another order on the page than in the proto. */
const orders: Record<string, string[]> = {
  Profile: [
    "kind",
    "selection",
    "plaintext_encoding",
    "nested_jws",
    "outer_jws",
    "envelope",
    "signing",
    "allow_legacy",
  ],
  Signing: ["scheme", "keys", "headers", "encoding"],
};

/** The fields and oneofs of a message in the order of the page. */
export function entriesOf(message: string): (FieldShape | { oneof: string; fields: FieldShape[] })[] {
  const found = shape.messages[message];
  if (!found) return [];
  const entries: (FieldShape | { oneof: string; fields: FieldShape[] })[] = [];
  for (const field of found.fields) {
    if (!field.oneof) entries.push(field);
    else if (!entries.some((e) => "fields" in e && e.oneof === field.oneof)) {
      entries.push({ oneof: field.oneof, fields: found.fields.filter((f) => f.oneof === field.oneof) });
    }
  }
  const order = orders[local(message)] ?? [];
  const rank = (e: (typeof entries)[number]) => {
    const at = order.indexOf("fields" in e ? e.oneof : e.name);
    return at < 0 ? order.length : at;
  };
  return entries
    .map((e, i) => [e, rank(e), i] as const)
    .sort((a, b) => a[1] - b[1] || a[2] - b[2])
    .map(([e]) => e);
}
