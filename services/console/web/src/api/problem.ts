import { t } from "../text/t";
/** A violation of one field, named by its path in the proto. */
export interface Violation {
  field: string;
  description: string;
  /** For a key that does not fit: the decoding that would fit. */
  decoding?: string;
}

/** A parsed error response. */
export class Problem extends Error {
  readonly reason: string;
  readonly metadata: Record<string, string>;
  readonly violations: Violation[];
  readonly retryAfter: number | undefined;

  constructor(
    readonly status: number,
    readonly requestId: string,
    body?: StatusBody,
  ) {
    super(body?.message ?? "");
    const details = body?.details ?? [];
    const info = details.find((d) => d["@type"]?.endsWith("google.rpc.ErrorInfo"));
    this.reason = info?.reason ?? (status === 0 ? "OFFLINE" : "");
    this.metadata = info?.metadata ?? {};
    this.violations = details.flatMap((d) => d.fieldViolations ?? []);
    const delay = details.find((d) => d.retryDelay)?.retryDelay;
    this.retryAfter = delay ? Number.parseFloat(delay) : undefined;
  }

  /** The same problem with other violations. */
  about(violations: Violation[]): Problem {
    return Object.assign(Object.create(Problem.prototype) as Problem, this, { message: this.message, violations });
  }
}

interface StatusBody {
  message?: string;
  details?: {
    "@type"?: string;
    reason?: string;
    metadata?: Record<string, string>;
    fieldViolations?: Violation[];
    retryDelay?: string;
  }[];
}

/** Converts any error to a problem, so that one panel can show them all. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "");
}

const titles: Record<string, string> = {
  OFFLINE: t("problem.offline.title"),
  CREDENTIALS_MISSING: t("problem.session.title"),
  CREDENTIALS_INVALID: t("problem.session.title"),
  PERMISSION_DENIED: t("problem.denied.title"),
  SECRET_NOT_FOUND: t("problem.secretNotFound.title"),
  ENDPOINT_NOT_FOUND: t("problem.endpointNotFound.title"),
  VERSION_NOT_FOUND: t("problem.versionNotFound.title"),
  VERSION_IN_USE: t("problem.versionInUse.title"),
  VERSION_DISABLED: t("problem.versionDisabled.title"),
  VERSION_DESTROYED: t("problem.versionDestroyed.title"),
  SECRET_EXPIRED: t("problem.expired.title"),
  SECRET_EXISTS: t("problem.exists.title"),
  QUOTA_EXCEEDED: t("problem.quota.title"),
  ENDPOINT_EXISTS: t("problem.exists.title"),
  ETAG_MISMATCH: t("problem.etag.title"),
  CONTENTION: t("problem.contention.title"),
  SECRET_IN_USE: t("problem.secretInUse.title"),
  DIRECT_KEY_NOT_SUPPORTED: t("problem.directKey.title"),
  LEGACY_NOT_ACKNOWLEDGED: t("problem.unsafe.title"),
  ENDPOINT_NOT_VERIFIED: t("problem.notVerified.title"),
  ENDPOINT_NOT_ACTIVE: t("problem.notActive.title"),
  VERIFICATION_FAILED: t("problem.proof.title"),
  USAGE_NOT_ALLOWED: t("problem.usage.title"),
  HOST_NOT_ALLOWED: t("problem.host.title"),
  KEY_FORM_NOT_USABLE: t("problem.keyForm.title"),
  KEY_NOT_USABLE: t("problem.keyUnusable.title"),
  SAMPLE_NOT_ENCRYPTABLE: t("problem.sample.title"),
  KEY_PURPOSE_FIXED: t("problem.purposeFixed.title"),
  NONCE_BUDGET_EXHAUSTED: t("problem.nonce.title"),
  KEY_NOT_SHARED: t("problem.notShared.title"),
  KEY_PURPOSE_UNKNOWN: t("problem.purposeUnknown.title"),
  SUPER_ADMIN_REQUIRED: t("problem.admin.title"),
  VALUE_IN_USE: t("problem.valueInUse.title"),
  WEAK_KEY: t("problem.weak.title"),
  SEALING_REQUIRED: t("problem.sealing.title"),
  SEALED_VALUE_REFUSED: t("problem.sealed.title"),
  REQUEST_ID_REUSED: t("problem.requestId.title"),
  INVALID_FIELD: t("problem.invalid.title"),
  INVALID_PAGE_TOKEN: t("problem.pageToken.title"),
  MESSAGE_TOO_LARGE: t("problem.tooLarge.title"),
  RATE_LIMITED: t("problem.rate.title"),
  OVERLOADED: t("problem.overloaded.title"),
  UNAVAILABLE: t("problem.unavailable.title"),
  VAULT_UNAVAILABLE: t("problem.vault.title"),
  VAULT_ROLLED_BACK: t("problem.vaultRolledBack.title"),
  DEADLINE: t("problem.deadline.title"),
};

const hints: Record<string, string> = {
  OFFLINE: t("problem.offline.hint"),
  CREDENTIALS_MISSING: t("problem.session.hint"),
  CREDENTIALS_INVALID: t("problem.session.hint"),
  PERMISSION_DENIED: t("problem.denied.hint"),
  INVALID_PAGE_TOKEN: t("problem.pageToken.hint"),
  CONTENTION: t("problem.contention.hint"),
  DEADLINE: t("problem.deadline.hint"),
  DIRECT_KEY_NOT_SUPPORTED: t("problem.directKey.hint"),
  USAGE_NOT_ALLOWED: t("problem.usage.hint"),
  VERSION_DISABLED: t("problem.versionDisabled.hint"),
  VERSION_DESTROYED: t("problem.versionDestroyed.hint"),
  NONCE_BUDGET_EXHAUSTED: t("problem.nonce.hint"),
  KEY_PURPOSE_UNKNOWN: t("problem.purposeUnknown.hint"),
  SUPER_ADMIN_REQUIRED: t("problem.admin.hint"),
  VALUE_IN_USE: t("problem.valueInUse.hint"),
  WEAK_KEY: t("problem.weak.hint"),
  SEALING_REQUIRED: t("problem.sealing.hint"),
  SEALED_VALUE_REFUSED: t("problem.sealed.hint"),
  REQUEST_ID_REUSED: t("problem.requestId.hint"),
  ENDPOINT_NOT_VERIFIED: t("problem.notVerified.hint"),
  VAULT_ROLLED_BACK: t("problem.vaultRolledBack.hint"),
};

/** Hints that include metadata of the error. */
const detailed: Record<string, (metadata: Record<string, string>) => string> = {
  KEY_PURPOSE_FIXED: ({ chains, requested }) =>
    [
      chains ? t("problem.purposeFixed.chains", { chains }) : t("problem.purposeFixed.one"),
      requested && t("problem.purposeFixed.requested", { requested }),
      t("problem.otherKey"),
    ]
      .filter(Boolean)
      .join(" "),
  KEY_NOT_USABLE: ({ cause, secret }) =>
    [secret && t("problem.keyUnusable.secret", { secret: secret.split("/").at(-1) }), sentence(cause ?? "")]
      .filter(Boolean)
      .join(" "),
  SAMPLE_NOT_ENCRYPTABLE: ({ cause }) => [sentence(cause ?? ""), t("problem.sample.hint")].filter(Boolean).join(" "),
  HOST_NOT_ALLOWED: ({ host }) => t("problem.host.hint", { host: host || t("problem.host.unnamed") }),
  KEY_NOT_SHARED: ({ host }) =>
    [host ? t("problem.notShared.host", { host }) : t("problem.notShared.any"), t("problem.notShared.hint")].join(" "),
};

const proofs: Record<string, string> = {
  NOT_FOUND: t("proof.notFound"),
  MISMATCH: t("proof.mismatch"),
  UNREACHABLE: t("proof.unreachable"),
  FORBIDDEN_ADDRESS: t("proof.blocked"),
  EXPIRED: t("proof.expired"),
};

/** Explains a problem: what is wrong and what to do. */
export function explain(problem: Problem): { title: string; text: string } {
  const title =
    titles[problem.reason] ?? (problem.status >= 500 ? t("problem.internal.title") : t("problem.refused.title"));
  const proof = proofs[problem.metadata.finding ?? ""];
  return {
    title,
    text: proof ?? detailed[problem.reason]?.(problem.metadata) ?? hints[problem.reason] ?? sentence(problem.message),
  };
}

function sentence(text: string): string {
  if (!text) return "";
  const upper = text[0]?.toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

/** The violations of a field as text. */
export function violationOf(problem: Problem | undefined, field: string): string | undefined {
  const found = problem?.violations.filter((v) => v.field === field).map((v) => sentence(v.description));
  return found?.length ? found.join(" ") : undefined;
}
