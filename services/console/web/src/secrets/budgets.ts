import type { NonceBudgetJson, SecretVersionJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import type { Tone } from "../ui/parts";

/** The used part of a nonce budget, for display. */
export interface BudgetWords {
  /** The count, such as `12,345 of 4,294,967,296`. */
  count: string;
  /** The share, such as `6.3%`, or `less than 0.1%` if it would round to zero. */
  share: string;
  /** The recommended action; undefined if no action is needed. */
  state?: { name: string; tone: Tone; words: string };
}

const states: Record<string, BudgetWords["state"]> = {
  STATE_WARNING: {
    name: t("budget.plan"),
    tone: "warn",
    words: t("budget.planWords"),
  },
  STATE_EXHAUSTED: {
    name: t("budget.usedUp"),
    tone: "bad",
    words: t("budget.usedUpWords"),
  },
};

/** The budget in words. Counts are strings, because they may exceed the exact range of a number. */
export function budgetWords({ used, budget, state }: NonceBudgetJson): BudgetWords {
  const [taken, all] = [BigInt(used ?? "0"), BigInt(budget ?? "0")];
  const thousandths = all > 0n ? Number((taken * 1000n) / all) : 0;
  const share = thousandths === 0 && taken > 0n ? t("budget.little") : t("budget.percent", { share: thousandths / 10 });
  return { count: t("budget.of", { taken, all }), share, state: states[state ?? ""] };
}

/** The versions that have used part of a budget, in the order of the list. */
export const withBudget = (versions: SecretVersionJson[]): SecretVersionJson[] => versions.filter((v) => v.nonceBudget);
