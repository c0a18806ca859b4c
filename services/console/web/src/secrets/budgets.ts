import type { NonceBudgetJson, SecretVersionJson } from "../gen/keyward/vault/v1/resources_pb";
import type { Tone } from "../ui/parts";

/** How much of a nonce budget is used, as people read it. */
export interface BudgetWords {
  /** Such as `12,345 of 4,294,967,296`. */
  count: string;
  /** Such as `6.3%`; what rounds to nothing is `less than 0.1%`. */
  share: string;
  /** What there is to do; undefined while nothing is. */
  state?: { name: string; tone: Tone; words: string };
}

const states: Record<string, BudgetWords["state"]> = {
  STATE_WARNING: {
    name: "Plan a new value",
    tone: "warn",
    words: "At least 1/16 of the budget is used. Store a new version with another value before it is used up.",
  },
  STATE_EXHAUSTED: {
    name: "Used up",
    tone: "bad",
    words: "The version encrypts nothing more. Store a new version with another value.",
  },
};

/** The budget in words. Counts come as text: they may be larger than what a number holds exactly. */
export function budgetWords({ used, budget, state }: NonceBudgetJson): BudgetWords {
  const [taken, all] = [BigInt(used ?? "0"), BigInt(budget ?? "0")];
  const thousandths = all > 0n ? Number((taken * 1000n) / all) : 0;
  const share = thousandths === 0 && taken > 0n ? "less than 0.1%" : `${(thousandths / 10).toLocaleString("en")}%`;
  return { count: `${taken.toLocaleString("en")} of ${all.toLocaleString("en")}`, share, state: states[state ?? ""] };
}

/** The versions that have used some of a budget, in the order of the list. */
export const withBudget = (versions: SecretVersionJson[]): SecretVersionJson[] => versions.filter((v) => v.nonceBudget);
