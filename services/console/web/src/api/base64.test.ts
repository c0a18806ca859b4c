import { expect, test } from "vitest";
import { base64, base64url, fromBase64url } from "./base64";

test("bytes of any length survive base64url", () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 256);
  expect(Buffer.compare(fromBase64url(base64url(bytes)), bytes)).toBe(0);
  expect(base64(Uint8Array.from([0, 255, 10]))).toBe("AP8K");
});
