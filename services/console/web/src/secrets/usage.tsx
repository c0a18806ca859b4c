import type { UsageJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import { Tag, type Tone } from "../ui/parts";

interface Words {
  name: string;
  /** The name inside a sentence. */
  inline: string;
  /** The name as the answer to the question for the kind of value, with examples that people know. */
  question: string;
  examples: string;
  words: string;
  tone: Tone;
}

/** The usages of secrets, in the order of the form. */
export const usages: Record<Exclude<UsageJson, "USAGE_UNSPECIFIED">, Words> = {
  USAGE_KEY: {
    name: t("usage.key"),
    inline: t("usage.keyInline"),
    question: t("usage.keyTitle"),
    examples: t("usage.keyExamples"),
    words: t("usage.keyWords"),
    tone: "info",
  },
  USAGE_CREDENTIAL: {
    name: t("usage.credential"),
    inline: t("usage.credentialInline"),
    question: t("usage.credentialTitle"),
    examples: t("usage.credentialExamples"),
    words: t("usage.credentialWords"),
    tone: "warn",
  },
  USAGE_PARAMETER: {
    name: t("usage.parameter"),
    inline: t("usage.parameterInline"),
    question: t("usage.parameterTitle"),
    examples: t("usage.parameterExamples"),
    words: t("usage.parameterWords"),
    tone: "quiet",
  },
  USAGE_EXPOSED_KEY: {
    name: t("usage.exposed"),
    inline: t("usage.exposedInline"),
    question: t("usage.exposed"),
    examples: "",
    words: t("usage.exposedExamples"),
    tone: "bad",
  },
};

export type KnownUsage = keyof typeof usages;

/** The effect of an exposed key on the promise of the vault, from the proto. */
export const exposedWarning = t("usage.exposedWords");

/** The cost of sharing a key, from the proto. */
export const sharedWarning = t("usage.exposedShared");

/** The usages that a caller may store: only super admins may store an exposed key. */
export const storable = (admin: boolean): KnownUsage[] =>
  (Object.keys(usages) as KnownUsage[]).filter((u) => admin || u !== "USAGE_EXPOSED_KEY");

export function UsageTag({ usage }: { usage: UsageJson | undefined }) {
  const found = usages[(usage ?? "USAGE_KEY") as KnownUsage];
  return found ? <Tag tone={found.tone}>{found.name}</Tag> : null;
}
