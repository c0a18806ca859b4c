import { describe, expect, test } from "vitest";
import { budgetWords, withBudget } from "./budgets";

describe("a nonce budget", () => {
  test.each([
    [
      { used: "65536", budget: "4294967296", state: "STATE_OK" },
      "65,536 of 4,294,967,296",
      "less than 0.1%",
      undefined,
    ],
    [{ used: "0", budget: "4294967296", state: "STATE_OK" }, "0 of 4,294,967,296", "0%", undefined],
    [
      { used: "300000000", budget: "4294967296", state: "STATE_WARNING" },
      "300,000,000 of 4,294,967,296",
      "6.9%",
      "warn",
    ],
    [
      { used: "9223372036854775809", budget: "9223372036854775809", state: "STATE_EXHAUSTED" },
      "9,223,372,036,854,775,809 of 9,223,372,036,854,775,809",
      "100%",
      "bad",
    ],
  ] as const)("%o is in words", (budget, count, share, tone) => {
    const words = budgetWords(budget);
    expect([words.count, words.share, words.state?.tone]).toEqual([count, share, tone]);
  });

  test("is of the versions that have one", () => {
    expect(withBudget([{ version: 2 }, { version: 1, nonceBudget: {} }]).map((v) => v.version)).toEqual([1]);
  });
});
