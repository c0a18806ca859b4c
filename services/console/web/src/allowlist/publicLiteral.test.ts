import { describe, expect, test } from "vitest";
import { acknowledgePublic, isAcknowledged, literalAt, mayBePublic } from "./publicLiteral";

describe("a literal that is public", () => {
  test("is told from one that never is by what the server says", () => {
    expect(
      mayBePublic(
        "Must not look like key material; store it in the vault and refer to it, or acknowledge that it is public.",
      ),
    ).toBe(true);
    expect(mayBePublic("Must not hold a private key; store it in the vault and refer to it.")).toBe(false);
    expect(mayBePublic(undefined)).toBe(false);
  });

  test("is named from its profile on", () => {
    expect(literalAt('endpoint.encryption.response.jose.header["kid"]')).toEqual({
      direction: "response",
      field: 'jose.header["kid"]',
    });
    expect(literalAt("endpoint.encryption.also_used_for[0].name")).toBeUndefined();
    expect(literalAt("endpoint.url")).toBeUndefined();
  });

  test("is acknowledged once for all literals of its direction, beside other unsafe choices", () => {
    const before = { request: { allowLegacy: [{ flag: "FLAG_ECB", reason: "r", expireTime: "t" }] } };
    const one = acknowledgePublic(
      before,
      { direction: "request", field: "cipher.aad.text" },
      "in the manual",
      "2027-01-01T00:00:00Z",
    );
    const two = acknowledgePublic(
      one,
      { direction: "request", field: "signing.input" },
      "in the manual, too",
      "2027-02-01T00:00:00Z",
    );
    expect(two).toEqual({
      request: {
        allowLegacy: [
          { flag: "FLAG_ECB", reason: "r", expireTime: "t" },
          {
            flag: "FLAG_PUBLIC_LITERAL",
            reason: "in the manual, too",
            expireTime: "2027-02-01T00:00:00Z",
            fields: ["cipher.aad.text", "signing.input"],
          },
        ],
      },
    });
    expect(isAcknowledged(two, { direction: "request", field: "signing.input" })).toBe(true);
    expect(isAcknowledged(two, { direction: "response", field: "signing.input" })).toBe(false);
    expect(isAcknowledged(one, { direction: "request", field: "signing.input" })).toBe(false);
  });
});
