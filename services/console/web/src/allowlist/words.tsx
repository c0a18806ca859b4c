import type {
  Endpoint_StateJson,
  EndpointJson,
  Verification_MethodJson,
  VerificationJson,
} from "../gen/keyward/allowlist/v1/resources_pb";
import type { EncryptionJson, ProfileJson } from "../gen/keyward/allowlist/v1/encryption_pb";
import { collect } from "../shape/value";
import { AlertIcon, ShieldCheckIcon } from "../ui/icons";
import { Tag, type Tone } from "../ui/parts";
import { t, type TextId } from "../text/t";
import { ago, day } from "../ui/time";

export const states: Record<Exclude<Endpoint_StateJson, "STATE_UNSPECIFIED">, [string, Tone]> = {
  STATE_ACTIVE: [t("state.active"), "good"],
  STATE_PENDING: [t("state.pending"), "warn"],
  STATE_INACTIVE: [t("state.inactive"), "quiet"],
};

export function StateTag({ state }: { state: Endpoint_StateJson | undefined }) {
  const found = states[(state ?? "STATE_PENDING") as keyof typeof states];
  return found ? <Tag tone={found[1]}>{found[0]}</Tag> : null;
}

export type Method = Exclude<Verification_MethodJson, "METHOD_UNSPECIFIED">;

const methodTexts: Record<Method, [short: TextId, long: TextId]> = {
  METHOD_MANUAL: ["method.approval", "state.verified.approval"],
  METHOD_DNS: ["method.dns", "state.verified.dns"],
  METHOD_FILE: ["method.file", "state.verified.file"],
  METHOD_WEB_TOKEN: ["method.token", "state.verified.token"],
};

/** The verification method of an endpoint, in words. */
export const methodWords = (method: Method): string => t(methodTexts[method][0]);

export function isVerified(verification: VerificationJson | null | undefined): boolean {
  return Boolean(verification?.method) && verification?.method !== "METHOD_UNSPECIFIED";
}

export function VerificationTag({
  verification,
  long,
}: {
  verification: VerificationJson | null | undefined;
  long?: boolean;
}) {
  if (!isVerified(verification)) return <Tag tone="warn">{t("state.unverified")}</Tag>;
  if (verification?.health === "HEALTH_DEGRADED") {
    return (
      <Tag tone="bad" icon={<AlertIcon size={13} />}>
        {t("state.proofMissing")}
      </Tag>
    );
  }
  const method = (verification?.method ?? "METHOD_MANUAL") as keyof typeof methodTexts;
  return (
    <Tag tone="good" icon={<ShieldCheckIcon size={13} />}>
      {t(methodTexts[method][long ? 1 : 0])}
    </Tag>
  );
}

type Direction = "request" | "response";

/** Whether a profile encrypts. */
export const isEncrypted = (profile: ProfileJson | undefined): boolean =>
  Boolean(
    profile?.cipher ||
    profile?.rsaDirect ||
    profile?.jose ||
    profile?.pgp ||
    profile?.fernet ||
    profile?.cms?.keys?.length,
  );

/** The protection of a profile, as tags: its encryption and its signature. */
function protectionsOf(profile: ProfileJson): string[] {
  const { cipher, rsaDirect, jose, pgp, cms, fernet, signing, nestedJws, outerJws } = profile;
  const name = (value: unknown) =>
    String(value ?? "")
      .replace(/^([A-Z_]*ALGORITHM|KEY_MANAGEMENT|CONTENT_ENCRYPTION)_/, "")
      .replaceAll("_", "-");
  const kinds = [
    cipher && name(cipher.algorithm),
    cipher?.mac && name(cipher.mac.algorithm),
    rsaDirect && (rsaDirect.oaep ? "RSA-OAEP" : "RSA PKCS #1 v1.5"),
    jose && `JWE ${name(jose.keyManagement)} ${name(jose.contentEncryption)}`,
    pgp && "OpenPGP",
    cms && `CMS ${name(cms.contentEncryption)}`.trim(),
    fernet && t("protection.fernet"),
  ].filter((k) => typeof k === "string" && !k.startsWith("UNSPECIFIED"));
  const algorithms = collect([signing, nestedJws, outerJws], "algorithm")
    .map(name)
    .filter((a) => a !== "UNSPECIFIED");
  const signed =
    !signing && !nestedJws && !outerJws ? [] : algorithms.length > 0 ? algorithms : [t("protection.signature")];
  return [...(kinds as string[]), ...signed.map((a) => (kinds.length > 0 ? a : signedWords(a)))];
}

/** The signature of a message that is not encrypted. */
const signedWords = (algorithm: string): string =>
  algorithm === t("protection.signature") ? t("protection.signedOnly") : t("protection.signed", { algorithm });

/**
 * The protections of an encryption, without duplicates, such as `AES-256-GCM` or `JWE RSA-OAEP-256 A256GCM`; parts that
 * are sent in the clear come last.
 */
export function protections(encryption: EncryptionJson | null | undefined): string[] {
  const { request, response } = encryption ?? {};
  const found = new Set([request, response].flatMap((p) => (p ? protectionsOf(p) : [])));
  const clear = [
    request?.plain && t("protection.requestsPlain"),
    response?.plain && t("protection.responsesPlain"),
  ].filter(Boolean);
  return [...found, ...(clear.length === 2 ? [t("encryption.none")] : (clear as string[]))];
}

export interface Legacy {
  flag: string;
  reason: string;
  expires: string;
  over: boolean;
  directions: Direction[];
}

/** The unsafe choices of an encryption, without duplicates, with their directions, the soonest to expire first. */
export function legacyOf(encryption: EncryptionJson | null | undefined, now = Date.now()): Legacy[] {
  const found = new Map<string, Legacy>();
  for (const direction of ["request", "response"] as const) {
    for (const { flag = "", reason = "", expireTime = "" } of encryption?.[direction]?.allowLegacy ?? []) {
      const key = JSON.stringify([flag, reason, expireTime]);
      const known = found.get(key);
      if (known) known.directions.push(direction);
      else
        found.set(key, {
          flag: flagWords(flag),
          reason,
          expires: expireTime,
          over: Date.parse(expireTime) < now,
          directions: [direction],
        });
    }
  }
  return [...found.values()].sort((a, b) => a.expires.localeCompare(b.expires));
}

/** The directions of an unsafe choice: "in requests and responses". */
export const directionWords = ({ directions }: Pick<Legacy, "directions">): string =>
  t(
    directions.length > 1
      ? "unsafe.in.both"
      : directions[0] === "response"
        ? "unsafe.in.responses"
        : "unsafe.in.requests",
  );

/** "expires in 3 weeks", or "expired 2 days ago". */
export const expiryWords = (l: Legacy, now = Date.now()): string =>
  t(l.over ? "unsafe.expiredWhen" : "unsafe.expires", { when: ago(l.expires, now) });

/** `FLAG_UNAUTHENTICATED_CBC` as "Unauthenticated CBC". */
export function flagWords(flag: string): string {
  const acronyms = /^(cbc|ctr|ecb|rsa|sha1|md5|des|iv|kdf|oaep|pkcs1|hmac|aes|tdes)$/;
  const words = flag
    .replace(/^FLAG_/, "")
    .replace("TRIPLE_DES", "TRIPLE-DES")
    .toLowerCase()
    .split("_")
    .map((w) => (acronyms.test(w) ? w.toUpperCase() : w === "pkcs1v15" ? "PKCS #1 v1.5" : w.replace("-des", " DES")))
    .join(" ");
  return words ? (words[0] ?? "").toUpperCase() + words.slice(1) : "";
}

/**
 * The unsafe choices of an encryption and when their acknowledgements end: next to each choice, or `below` it in narrow
 * layouts.
 */
export function LegacyTags({ encryption, below }: { encryption: EncryptionJson | null | undefined; below?: boolean }) {
  return legacyOf(encryption).map((l) => (
    <span
      key={l.flag + l.expires + l.reason}
      className="legacy"
      data-hint={t("unsafe.hint", { reason: l.reason, expiry: expiryWords(l), day: day(l.expires) })}
    >
      <Tag tone={l.over ? "bad" : "warn"} icon={<AlertIcon size={13} />}>
        {t(below ? "unsafe.tag" : "unsafe.tagExpiry", {
          flag: l.flag,
          where: directionWords(l),
          expiry: expiryWords(l),
        })}
      </Tag>
      {below && <small>{expiryWords(l)}</small>}
    </span>
  ));
}

export const shownName = (endpoint: EndpointJson, id: string): string => endpoint.displayName || id;

const oneDay = 86_400_000;

/** The filters by acknowledged unsafe choices, with the latest end that each matches. */
export const unsafeFilters: Record<string, { label: string; ahead: number }> = {
  any: { label: t("unsafe.choices"), ahead: 1_000 * oneDay },
  soon: { label: t("unsafe.expiring"), ahead: 30 * oneDay },
  expired: { label: t("unsafe.expired"), ahead: 0 },
};

/** The time before which the acknowledgements that match a filter end; undefined for an unknown filter. */
export function legacyBefore(filter: string, now = Date.now()): string | undefined {
  const found = unsafeFilters[filter];
  return found && new Date(now + found.ahead).toISOString();
}
