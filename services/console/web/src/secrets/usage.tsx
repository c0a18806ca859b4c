import type { UsageJson } from "../gen/keyward/vault/v1/resources_pb";
import { Tag, type Tone } from "../ui/parts";

interface Words {
  name: string;
  /** The name as the answer to what a value is, and what people know it as. */
  question: string;
  examples: string;
  words: string;
  tone: Tone;
}

/** What a secret can be for, in the order that one looks for it. */
export const usages: Record<Exclude<UsageJson, "USAGE_UNSPECIFIED">, Words> = {
  USAGE_KEY: {
    name: "Key",
    question: "Encryption or signing key",
    examples: "AES key, RSA private key, HMAC or webhook secret.",
    words: "Encrypts, decrypts or signs payloads. Its bytes never leave the platform.",
    tone: "info",
  },
  USAGE_CREDENTIAL: {
    name: "Credential",
    question: "Credential that is sent",
    examples: "API key, password, access token.",
    words: "Sent as it is, only to the hosts you name.",
    tone: "warn",
  },
  USAGE_PARAMETER: {
    name: "Parameter",
    question: "Public parameter",
    examples: "Static IV, salt.",
    words: "Public by declaration: it may become visible.",
    tone: "quiet",
  },
  USAGE_EXPOSED_KEY: {
    name: "Exposed key",
    question: "Exposed key",
    examples: "",
    words: "For a partner that uses the beginning of the key as the IV.",
    tone: "bad",
  },
};

export type KnownUsage = keyof typeof usages;

/** What an exposed key does to the promise of the vault, in the words of the contract. */
export const exposedWarning =
  "Senders can compute this key from what is sent, so the promise that a value cannot be read does not hold for it.";

/** What sharing a key costs, in the words of the contract. */
export const sharedWarning =
  "With one key on the endpoints of two partners, senders of one can open messages of the other.";

/** The usages that a caller may store: an exposed key is for super admins. */
export const storable = (admin: boolean): KnownUsage[] =>
  (Object.keys(usages) as KnownUsage[]).filter((u) => admin || u !== "USAGE_EXPOSED_KEY");

export function UsageTag({ usage }: { usage: UsageJson | undefined }) {
  const found = usages[(usage ?? "USAGE_KEY") as KnownUsage];
  return found ? <Tag tone={found.tone}>{found.name}</Tag> : null;
}
