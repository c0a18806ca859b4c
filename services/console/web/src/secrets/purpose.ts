import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import type { Problem } from "../api/problem";

/** The state of the purpose of a key, in words. */
export interface PurposeWords {
  name: string;
  words: string;
  warn?: boolean;
}

const states: Record<string, PurposeWords> = {
  PURPOSE_STATE_UNCLAIMED: {
    name: t("purpose.state.none"),
    words: t("purpose.state.noneWords"),
  },
  PURPOSE_STATE_CLAIMED: {
    name: t("purpose.state.claimed"),
    words: t("purpose.state.claimedWords"),
  },
  PURPOSE_STATE_SEALED: { name: t("purpose.state.sealed"), words: t("purpose.state.sealedWords") },
  PURPOSE_STATE_UNKNOWN: {
    name: t("purpose.state.unknown"),
    words: t("purpose.state.unknownWords"),
  },
  PURPOSE_STATE_MIXED: {
    name: t("purpose.state.mixed"),
    words: t("purpose.state.mixedWords"),
    warn: true,
  },
};

const stated: PurposeWords = {
  name: t("purpose.state.stated"),
  words: t("purpose.state.statedWords"),
};

/** The state of the purpose of a key; public keys have none. */
export function purposeWords(secret: SecretJson): PurposeWords {
  if (secret.purpose?.stated && secret.purpose.state === "PURPOSE_STATE_CLAIMED") return stated;
  return states[secret.purpose?.state ?? ""] ?? { name: t("purpose.state.any"), words: t("purpose.state.anyWords") };
}

/**
 * Whether a super admin may replace the purpose: a purpose that is neither stated nor sealed changes when the endpoint
 * is saved again.
 */
export const replaceable = (secret: SecretJson): boolean =>
  secret.purpose?.stated === true || secret.purpose?.state === "PURPOSE_STATE_SEALED";

/** Whether a super admin may share a secret: only a key, and only once. */
export const shareable = (secret: SecretJson): boolean =>
  (secret.usage ?? "USAGE_KEY") === "USAGE_KEY" && !secret.shared;

/** The typed chains, one per line. */
export const chainsIn = (text: string): string[] => [
  ...new Set(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean),
  ),
];

/** The violations of the chains as text, with line numbers. */
export function chainsError(problem: Problem | undefined): string | undefined {
  const found = (problem?.violations ?? []).flatMap(({ field, description }) => {
    const at = /^chains(?:\[(\d+)\])?$/.exec(field);
    if (!at) return [];
    // The server quotes its pattern, which does not help users.
    const words = description.includes("regex") ? t("purpose.ascii") : description;
    return [at[1] === undefined ? words : t("purpose.line", { line: Number(at[1]) + 1, words })];
  });
  return found.length > 0 ? found.map((f) => `${(f[0] ?? "").toUpperCase()}${f.slice(1)}.`).join(" ") : undefined;
}
