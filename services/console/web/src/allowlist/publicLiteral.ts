import { withField, type Json } from "../shape/value";

/** The acknowledgement of a literal that looks like a secret and is public. */
export const publicLiteral = "FLAG_PUBLIC_LITERAL";

/** Whether the server would accept a rejected value with an acknowledgement, judging by the violation. */
export const mayBePublic = (violation: string | undefined): boolean =>
  /acknowledge that it is public/.test(violation ?? "");

type Direction = "request" | "response";

/** A literal of a profile: its direction, and its field relative to the profile, as acknowledgements name it. */
export interface Literal {
  direction: Direction;
  field: string;
}

/** The literal for a field of a request; undefined if it is not in a profile. */
export function literalAt(path: string): Literal | undefined {
  const [, direction, field] = /^endpoint\.encryption\.(request|response)\.(.+)$/.exec(path) ?? [];
  return direction && field ? { direction: direction as Direction, field } : undefined;
}

const profileOf = (encryption: Json, direction: Direction): Json => (encryption[direction] ?? {}) as Json;

const acknowledgements = (profile: Json): Json[] => (profile.allowLegacy ?? []) as Json[];

/** The acknowledgement of the public literals of a direction; undefined if there is no such acknowledgement. */
export const acknowledgementOf = (encryption: Json, direction: Direction): Json | undefined =>
  acknowledgements(profileOf(encryption, direction)).find((a) => a.flag === publicLiteral);

const fieldsOf = (acknowledgement: Json | undefined): string[] => (acknowledgement?.fields ?? []) as string[];

/** Whether a literal is acknowledged. */
export const isAcknowledged = (encryption: Json, { direction, field }: Literal): boolean =>
  fieldsOf(acknowledgementOf(encryption, direction)).includes(field);

/** The encryption with a literal acknowledged. A profile has one acknowledgement for all its literals. */
export function acknowledgePublic(
  encryption: Json,
  { direction, field }: Literal,
  reason: string,
  expireTime: string,
): Json {
  const profile = profileOf(encryption, direction);
  const known = acknowledgementOf(encryption, direction);
  const next = { flag: publicLiteral, reason, expireTime, fields: [...fieldsOf(known), field] };
  const all = known
    ? acknowledgements(profile).map((a) => (a === known ? next : a))
    : [...acknowledgements(profile), next];
  return withField(encryption, direction, withField(profile, "allowLegacy", all));
}
