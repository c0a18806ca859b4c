import { describe, expect, test } from "vitest";
import { explain, Problem, problemOf, violationOf } from "./problem";

const status = (reason: string, more: object = {}) => ({
  message: "the words of the server",
  details: [
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "keyward.dev", metadata: { count: "2" } },
    more,
  ],
});

describe("a problem", () => {
  test("has the reason, the fields and the time to wait", () => {
    const problem = new Problem(
      429,
      "id",
      status("RATE_LIMITED", { "@type": "x/google.rpc.RetryInfo", retryDelay: "1.5s" }),
    );
    expect(problem).toMatchObject({
      reason: "RATE_LIMITED",
      metadata: { count: "2" },
      retryAfter: 1.5,
      requestId: "id",
    });
    const fields = new Problem(
      400,
      "",
      status("INVALID_FIELD", { fieldViolations: [{ field: "endpoint.url", description: "must be absolute" }] }),
    );
    expect(violationOf(fields, "endpoint.url")).toBe("Must be absolute.");
    expect(violationOf(fields, "endpoint")).toBeUndefined();
  });

  test("is in words, whether the page knows the reason or not", () => {
    expect(explain(new Problem(400, "", status("SECRET_IN_USE"))).title).toBe("The secret is in use");
    expect(explain(new Problem(400, "", status("BRAND_NEW")))).toEqual({
      title: "The server rejected the request",
      text: "The words of the server.",
    });
    expect(explain(new Problem(502, "")).title).toBe("The server could not complete the request");
    expect(explain(new Problem(400, "", status("VERIFICATION_FAILED"))).title).toBe("The proof was not found");
  });

  test.each([
    [
      "KEY_PURPOSE_FIXED",
      { chains: "raw > A(iv=random/12,tag=16), raw > B", requested: "raw > C" },
      "It is used only for raw > A(iv=random/12,tag=16), raw > B. This change would use it for raw > C. Ask the partner to issue another key, and store that key.",
    ],
    [
      "KEY_PURPOSE_FIXED",
      {},
      "A key serves a single purpose. Ask the partner to issue another key, and store that key.",
    ],
    [
      "KEY_NOT_SHARED",
      { host: "a.test" },
      "It serves only the endpoints of a.test. Ask the partner to issue another key and store that key, or ask a super admin to share this one.",
    ],
    [
      "HOST_NOT_ALLOWED",
      { host: "a.test:8443" },
      "Add a.test:8443 to the secret's allowed hosts together with a new value, or ask a super admin to add it.",
    ],
    [
      "HOST_NOT_ALLOWED",
      {},
      "Add the endpoint's host and port to the secret's allowed hosts together with a new value, or ask a super admin to add it.",
    ],
    [
      "KEY_NOT_SHARED",
      {},
      "A key serves only the endpoints of one host with the same senders. Ask the partner to issue another key and store that key, or ask a super admin to share this one.",
    ],
  ])("%s says what it is about, and what to do", (reason, metadata, text) => {
    expect(
      explain(new Problem(400, "", { details: [{ "@type": "google.rpc.ErrorInfo", reason, metadata }] })).text,
    ).toBe(text);
  });

  test.each([
    ["KEY_PURPOSE_UNKNOWN", "The purpose of the key is unknown", /Ask the partner to issue another key/],
    ["SUPER_ADMIN_REQUIRED", "Only a super admin can do this", /Ask a super admin/],
    ["SEALING_REQUIRED", "This workspace accepts sealed values only", /Use a browser that can seal it/],
    ["SEALED_VALUE_REFUSED", "The vault could not open the sealed value", /Enter the value again/],
    ["REQUEST_ID_REUSED", "An earlier attempt reached the vault", /check what was saved/],
    ["VALUE_IN_USE", "Another secret already has this value", /ask the partner to issue another value/],
    [
      "VAULT_ROLLED_BACK",
      "The vault was rolled back or replaced",
      /a super admin confirms the restore with AcceptVaultCheckpoint: POST/,
    ],
  ])("%s says what to do", (reason, title, text) => {
    const explained = explain(new Problem(400, "", status(reason)));
    expect(explained.title).toBe(title);
    expect(explained.text).toMatch(text);
  });

  test("is made of any error, without the error's text", () => {
    expect(problemOf(new TypeError("holds data")).message).toBe("");
    expect(explain(problemOf(new Error("x"))).title).toBe("Cannot reach the server");
  });
});
