import { describe, expect, test } from "vitest";
import { Problem } from "../api/problem";
import type { PurposeStateJson } from "../gen/keyward/vault/v1/resources_pb";
import { chainsError, chainsIn, purposeWords, replaceable, shareable } from "./purpose";
import { storable } from "./usage";

describe("the purpose of a key", () => {
  test.each([
    ["PURPOSE_STATE_UNCLAIMED", "Not in use yet"],
    ["PURPOSE_STATE_CLAIMED", "Claimed"],
    ["PURPOSE_STATE_SEALED", "Sealed"],
    ["PURPOSE_STATE_UNKNOWN", "Unknown"],
    ["PURPOSE_STATE_MIXED", "Mixed"],
    ["PURPOSE_STATE_UNSPECIFIED", "Any"],
    [undefined, "Any"],
  ] as [PurposeStateJson | undefined, string][])("%s reads “%s”", (state, name) => {
    const found = purposeWords({ purpose: { state } });
    expect(found.name).toBe(name);
    expect(Boolean(found.warn)).toBe(name === "Mixed");
    expect(replaceable({ purpose: { state } })).toBe(name === "Sealed");
  });

  test("may be stated before it is sealed, and is replaced then, too", () => {
    const purpose = { state: "PURPOSE_STATE_CLAIMED", stated: true } as const;
    expect(purposeWords({ purpose }).name).toBe("Stated");
    expect(replaceable({ purpose })).toBe(true);
    expect(purposeWords({ purpose: { ...purpose, state: "PURPOSE_STATE_SEALED" } }).name).toBe("Sealed");
  });

  test("is shared once, and of a key only", () => {
    expect(shareable({ usage: "USAGE_KEY" })).toBe(true);
    expect(shareable({ usage: "USAGE_KEY", shared: true })).toBe(false);
    for (const usage of ["USAGE_PARAMETER", "USAGE_CREDENTIAL", "USAGE_EXPOSED_KEY"] as const)
      expect(shareable({ usage })).toBe(false);
  });
});

describe("chains", () => {
  test("are typed one per line", () => {
    expect(chainsIn(" raw > A(iv=random/12,tag=16)\r\n\n  raw > B\nraw > B ")).toEqual([
      "raw > A(iv=random/12,tag=16)",
      "raw > B",
    ]);
    expect(chainsIn(" \n ")).toEqual([]);
  });

  test("show what the server found wrong with them, by line", () => {
    const problem = (...fieldViolations: { field: string; description: string }[]) =>
      new Problem(400, "", { details: [{ fieldViolations }] });
    expect(chainsError(problem({ field: "chains[1]", description: "must have at most 512 characters" }))).toBe(
      "Line 2 must have at most 512 characters.",
    );
    expect(chainsError(problem({ field: "chains[0]", description: "does not match regex pattern `^[ -~]+$`" }))).toBe(
      "Line 1 can contain only ASCII letters, digits, and signs.",
    );
    expect(
      chainsError(
        problem(
          { field: "chains", description: "must hold at most 16" },
          { field: "reason", description: "is required" },
        ),
      ),
    ).toBe("Must hold at most 16.");
    expect(chainsError(problem({ field: "reason", description: "is required" }))).toBeUndefined();
  });
});

test("an exposed key is offered to super admins only", () => {
  expect(storable(false)).toEqual(["USAGE_KEY", "USAGE_CREDENTIAL", "USAGE_PARAMETER"]);
  expect(storable(true)).toContain("USAGE_EXPOSED_KEY");
});
