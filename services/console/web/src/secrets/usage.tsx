import type { UsageJson } from "../gen/keyward/vault/v1/resources_pb";
import { Tag, type Tone } from "../ui/parts";

interface Words {
  name: string;
  words: string;
  tone: Tone;
}

/** What a secret can be for, in the order that one looks for it. */
export const usages: Record<Exclude<UsageJson, "USAGE_UNSPECIFIED">, Words> = {
  USAGE_KEY: { name: "Key", words: "Encrypts, decrypts or signs payloads. Its bytes never leave the platform.", tone: "info" },
  USAGE_CREDENTIAL: { name: "Credential", words: "An API key, token or password that is sent as it is, only to the hosts you name.", tone: "warn" },
  USAGE_PARAMETER: { name: "Parameter", words: "A static IV or a salt. Public by declaration: it may become visible.", tone: "quiet" },
};

export type KnownUsage = keyof typeof usages;

export function UsageTag({ usage }: { usage: UsageJson | undefined }) {
  const found = usages[(usage ?? "USAGE_KEY") as KnownUsage];
  return found ? <Tag tone={found.tone}>{found.name}</Tag> : null;
}
