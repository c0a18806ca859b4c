import type { NonceBudgetJson, SecretVersionJson } from "../gen/keyward/vault/v1/resources_pb";
import { t } from "../text/t";
import type { Tone } from "../ui/parts";

/** How much of a nonce budget is used, as people read it. */
export interface BudgetWords {
  /** Such as `12,345 of 4,294,967,296`. */
  count: string;
  /** Such as `6.3%`; what rounds to nothing is `less than 0.1%`. */
  share: string;
  /** What to do; undefined if nothing is needed. */
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

/** The budget in words. Counts come as text: they may be larger than what a number holds exactly. */
export function budgetWords({ used, budget, state }: NonceBudgetJson): BudgetWords {
  const [taken, all] = [BigInt(used ?? "0"), BigInt(budget ?? "0")];
  const thousandths = all > 0n ? Number((taken * 1000n) / all) : 0;
  const share = thousandths === 0 && taken > 0n ? t("budget.little") : t("budget.percent", { share: thousandths / 10 });
  return { count: t("budget.of", { taken, all }), share, state: states[state ?? ""] };
}

/** The versions that have used some of a budget, in the order of the list. */
export const withBudget = (versions: SecretVersionJson[]): SecretVersionJson[] => versions.filter((v) => v.nonceBudget);
