import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import type { Problem } from "../api/problem";

/** How far the purpose of a key is decided, in words. */
export interface PurposeWords {
  name: string;
  words: string;
  warn?: boolean;
}

const states: Record<string, PurposeWords> = {
  PURPOSE_STATE_UNCLAIMED: {
    name: "Not in use yet",
    words: "The first endpoint that uses the key decides what it is for.",
  },
  PURPOSE_STATE_CLAIMED: {
    name: "Claimed",
    words: "Endpoints are configured to use the key for this. The first message seals it.",
  },
  PURPOSE_STATE_SEALED: { name: "Sealed", words: "The key was used for this, and serves no other purpose." },
  PURPOSE_STATE_UNKNOWN: {
    name: "Unknown",
    words:
      "The key was in use before purposes were recorded. It takes no other endpoints until those that use it have reported what for.",
  },
  PURPOSE_STATE_MIXED: {
    name: "Mixed",
    words:
      "The key is used for several purposes, one of which may reveal another. The endpoints that use it keep working, and no others can. Store another key, and use that instead.",
    warn: true,
  },
};

const stated: PurposeWords = {
  name: "Stated",
  words: "Whoever stored the key said that it is for this. The first message seals it.",
};

/** The state of the purpose of a key; public keys have none. */
export function purposeWords(secret: SecretJson): PurposeWords {
  if (secret.purpose?.stated && secret.purpose.state === "PURPOSE_STATE_CLAIMED") return stated;
  return states[secret.purpose?.state ?? ""] ?? { name: "Any", words: "Public keys serve any purpose." };
}

/** Whether a super admin may replace the purpose: one that is neither stated nor sealed changes when the endpoint is saved again. */
export const replaceable = (secret: SecretJson): boolean =>
  secret.purpose?.stated === true || secret.purpose?.state === "PURPOSE_STATE_SEALED";

/** Whether a super admin may share a secret: a key, once. */
export const shareable = (secret: SecretJson): boolean =>
  (secret.usage ?? "USAGE_KEY") === "USAGE_KEY" && !secret.shared;

/** The chains that were typed, one per line. */
export const chainsIn = (text: string): string[] => [
  ...new Set(
    text
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean),
  ),
];

/** What the server found wrong with the chains, in words that say which. */
export function chainsError(problem: Problem | undefined): string | undefined {
  const found = (problem?.violations ?? []).flatMap(({ field, description }) => {
    const at = /^chains(?:\[(\d+)\])?$/.exec(field);
    if (!at) return [];
    // The server names its pattern, which says little to people.
    const words = description.includes("regex") ? "must hold letters, digits and signs of ASCII only" : description;
    return [at[1] === undefined ? words : `line ${Number(at[1]) + 1} ${words}`];
  });
  return found.length > 0 ? found.map((f) => `${(f[0] ?? "").toUpperCase()}${f.slice(1)}.`).join(" ") : undefined;
}
