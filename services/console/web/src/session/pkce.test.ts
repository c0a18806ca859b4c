import { expect, test } from "vitest";
import { challenge, random } from "./pkce";

test("the challenge is that of RFC 7636, appendix B", async () => {
  expect(await challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe(
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  );
});

test("random strings are long, use the alphabet, and never repeat", () => {
  const generated = new Set(Array.from({ length: 100 }, random));
  expect(generated.size).toBe(100);
  for (const text of generated) expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/);
});
