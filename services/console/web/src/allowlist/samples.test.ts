import { describe, expect, test } from "vitest";
import samples from "./samples.json";
import { messageOf } from "./samples";

describe("the sample of a preset", () => {
  test("is its headers and its body", () => {
    expect(messageOf({ headers: { "X-Signature": "a", "X-Time": "1" }, body: "{}" })).toBe(
      "X-Signature: a\nX-Time: 1\n\n{}",
    );
    expect(messageOf({ body: "{}" })).toBe("{}");
  });

  test("has a tool and a body, and no keys", () => {
    const all = Object.values(samples).flat();
    expect(all.length).toBeGreaterThan(70);
    expect(all.filter((s) => s.tool === "" || s.body === "")).toEqual([]);
    expect(JSON.stringify(samples)).not.toContain("PRIVATE KEY");
  });
});
