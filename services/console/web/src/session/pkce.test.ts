import { expect, test } from "vitest";
import { base64, base64url, challenge, fromBase64url, random } from "./pkce";

test("the challenge is that of RFC 7636, appendix B", async () => {
  expect(await challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")).toBe(
    "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
  );
});

test("random texts are long, of the alphabet and never the same", () => {
  const drawn = new Set(Array.from({ length: 100 }, random));
  expect(drawn.size).toBe(100);
  for (const text of drawn) expect(text).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

test("bytes come back from base64url, however many", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
  expect(fromBase64url(base64url(bytes))).toEqual(bytes);
  expect(base64(Uint8Array.from([0, 255, 10]))).toBe("AP8K");
});
