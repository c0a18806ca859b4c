/** One field that the server found something wrong with, by its path in the proto. */
export interface Violation {
  field: string;
  description: string;
  /** Of a key that does not fit: the decoding that would. */
  decoding?: string;
}

/** An answer that says no, taken apart. */
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

/** Any error as a problem, so that one panel can show them all. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem(0, "");
}

const titles: Record<string, string> = {
  OFFLINE: "The server cannot be reached",
  CREDENTIALS_MISSING: "Your session has ended",
  CREDENTIALS_INVALID: "Your session has ended",
  PERMISSION_DENIED: "You may not do this here",
  SECRET_NOT_FOUND: "There is no such secret",
  ENDPOINT_NOT_FOUND: "There is no such endpoint",
  VERSION_NOT_FOUND: "There is no such version",
  VERSION_IN_USE: "The version is in use",
  VERSION_DISABLED: "The version is disabled",
  VERSION_DESTROYED: "The version is destroyed",
  SECRET_EXISTS: "This name is taken",
  ENDPOINT_EXISTS: "This name is taken",
  ETAG_MISMATCH: "Somebody changed it in the meantime",
  CONTENTION: "Too many changes at once",
  SECRET_IN_USE: "The secret is in use",
  DIRECT_KEY_NOT_SUPPORTED: "A key does not belong here",
  LEGACY_NOT_ACKNOWLEDGED: "Unsafe choices need to be acknowledged",
  ENDPOINT_NOT_VERIFIED: "The endpoint is not verified",
  ENDPOINT_NOT_ACTIVE: "The endpoint is not in use",
  VERIFICATION_FAILED: "The proof was not found",
  USAGE_NOT_ALLOWED: "The secret may not be used for this",
  HOST_NOT_ALLOWED: "The credential may not be sent to this host and port",
  KEY_FORM_NOT_USABLE: "Nothing can use the key in this form",
  KEY_NOT_USABLE: "The secret is not a key for this algorithm",
  SAMPLE_NOT_ENCRYPTABLE: "A sample body is needed",
  KEY_PURPOSE_FIXED: "The key serves another purpose",
  NONCE_BUDGET_EXHAUSTED: "The key has encrypted as many values as one key may",
  KEY_NOT_SHARED: "The key is not shared",
  KEY_PURPOSE_UNKNOWN: "It is not recorded what the key is used for",
  SUPER_ADMIN_REQUIRED: "Only a super admin may do this",
  VALUE_IN_USE: "This value is in use as another secret",
  WEAK_KEY: "The key is weak",
  SEALING_REQUIRED: "This workspace accepts sealed values only",
  SEALED_VALUE_REFUSED: "The vault could not open the sealed value",
  REQUEST_ID_REUSED: "An earlier attempt reached the vault",
  INVALID_FIELD: "Some fields are not right",
  INVALID_PAGE_TOKEN: "The list has moved on",
  MESSAGE_TOO_LARGE: "This is larger than the limit",
  RATE_LIMITED: "Too many requests",
  OVERLOADED: "The server is busy",
  UNAVAILABLE: "The server is not ready",
  VAULT_UNAVAILABLE: "The vault cannot be reached",
  DEADLINE: "The server took too long",
};

const hints: Record<string, string> = {
  OFFLINE: "Check your connection. If you were changing something, look whether it was changed before you repeat it.",
  CREDENTIALS_MISSING: "Sign in again.",
  CREDENTIALS_INVALID: "Sign in again.",
  PERMISSION_DENIED: "Your role does not allow it, or it does not exist.",
  INVALID_PAGE_TOKEN: "Start at the first page.",
  CONTENTION: "Nothing was changed. Try again.",
  DEADLINE: "The change may or may not have been made. Look before you repeat it.",
  DIRECT_KEY_NOT_SUPPORTED: "Store it as a secret, and refer to that. What is public, say so.",
  USAGE_NOT_ALLOWED: "Keys go into ciphers and signatures; credentials into headers, query parameters and body values.",
  VERSION_DISABLED: "Enable it, or make another version the current one.",
  VERSION_DESTROYED: "Nothing brings it back. Make another version the current one.",
  NONCE_BUDGET_EXHAUSTED: "Store a new version of the secret with another value.",
  KEY_PURPOSE_UNKNOWN:
    "The key was in use before purposes were recorded, or is used for several, so it takes no other endpoint. Ask the partner to issue another key, and store that.",
  SUPER_ADMIN_REQUIRED:
    "It breaks the promise that a key cannot be read. Ask a super admin to save this, or the partner to issue another key.",
  VALUE_IN_USE: "Use that secret, or ask the partner to issue another value.",
  WEAK_KEY: "Ask for a key of 16 random bytes or more, or say why this one is to be used.",
  SEALING_REQUIRED:
    "The value was sent without sealing. Use a browser that can seal it, or have the vault generate a value.",
  SEALED_VALUE_REFUSED:
    "It may have been sealed more than an hour ago, or to a key that was replaced. Enter the value again.",
  REQUEST_ID_REUSED: "Its answer was lost, and the form changed since. Close the form and check what was saved.",
  ENDPOINT_NOT_VERIFIED: "Prove that it is the partner's, or have a super admin approve it.",
};

/** Hints that name what the server said besides. */
const told: Record<string, (metadata: Record<string, string>) => string> = {
  KEY_PURPOSE_FIXED: ({ chains, requested }) =>
    [
      chains ? `It is used for ${chains}, and for nothing else.` : "A key serves one purpose, and never a second one.",
      requested && `This would use it for ${requested}.`,
      "Ask the partner to issue another key, and store that.",
    ]
      .filter(Boolean)
      .join(" "),
  KEY_NOT_USABLE: ({ cause, secret }) =>
    [secret && `The secret ${secret.split("/").at(-1)} does not fit.`, sentence(cause ?? "")].filter(Boolean).join(" "),
  SAMPLE_NOT_ENCRYPTABLE: ({ cause }) =>
    [sentence(cause ?? ""), "Give a sample body that the endpoint would send."].filter(Boolean).join(" "),
  HOST_NOT_ALLOWED: ({ host }) =>
    `Add ${host || "the endpoint's host and port"} to the secret's allowed hosts first, together with a new value; or ask a super admin to add it.`,
  KEY_NOT_SHARED: ({ host }) =>
    `${host ? `It serves the endpoints of ${host} only.` : "A key serves the endpoints of one host and the same senders."} Ask the partner to issue another key, and store that; or ask a super admin to share this one.`,
};

const findings: Record<string, string> = {
  NOT_FOUND: "Nothing was found where the proof belongs.",
  MISMATCH: "Something is there, but it is not this proof.",
  UNREACHABLE: "The host could not be reached.",
  FORBIDDEN_ADDRESS: "The host resolves to an address that must not be connected to.",
  EXPIRED: "The challenge has expired; publish the new one.",
};

/** A problem in words: what it is, and what to do about it. */
export function explain(problem: Problem): { title: string; text: string } {
  const title =
    titles[problem.reason] ?? (problem.status >= 500 ? "Something went wrong on the server" : "The server refused");
  const finding = findings[problem.metadata.finding ?? ""];
  return {
    title,
    text: finding ?? told[problem.reason]?.(problem.metadata) ?? hints[problem.reason] ?? sentence(problem.message),
  };
}

function sentence(text: string): string {
  if (!text) return "";
  const upper = text[0]?.toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

/** What the server found wrong with a field, in words. */
export function violationOf(problem: Problem | undefined, field: string): string | undefined {
  const found = problem?.violations.filter((v) => v.field === field).map((v) => sentence(v.description));
  return found?.length ? found.join(" ") : undefined;
}
