import { describe, expect, test } from "vitest";
import samples from "./samples.json";
import { messageOf, type PresetSample } from "./samples";

describe("the sample of a preset", () => {
  test("is its headers and its body", () => {
    expect(messageOf({ headers: { "X-Signature": "a", "X-Time": "1" }, body: "{}" })).toBe(
      "X-Signature: a\nX-Time: 1\n\n{}",
    );
    expect(messageOf({ body: "{}" })).toBe("{}");
    expect(messageOf({ query: { sign: "a+b" }, body: "{}" })).toBe("?sign=a%2Bb\n\n{}");
  });

  test("has a tool and a message, and no keys", () => {
    const all = Object.values(samples as unknown as Record<string, PresetSample[]>).flat();
    expect(all.length).toBeGreaterThan(70);
    expect(all.filter((s) => s.tool === "" || messageOf(s) === "")).toEqual([]);
    expect(JSON.stringify(samples)).not.toContain("PRIVATE KEY");
  });
});
