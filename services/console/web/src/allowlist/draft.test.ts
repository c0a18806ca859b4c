import { describe, expect, test } from "vitest";
import { carriesCredential, changed, draftOf, endpointOf, hostOf, mayStandUnder, show } from "./draft";
import type { EncryptionJson } from "../gen/keyward/allowlist/v1/encryption_pb";
import { placeWords } from "./ViolationSummary";
import { Problem } from "../api/problem";
import { shape } from "../gen/shape";
import { flagMeaning, missingFlags, ofSuperAdmins } from "./Acknowledge";
import { directionWords, flagWords, legacyBefore, legacyOf, protections } from "./words";

const saved = {
  name: "workspaces/demo/endpoints/a",
  url: "https://a.test/",
  methods: ["POST"],
  labels: { a: "1", b: "2" },
  encryption: {
    request: {
      signing: {
        mac: { algorithm: "ALGORITHM_HMAC_SHA256" as const },
        keys: [{ name: "k" }],
        headers: { "X-S": "${signature}" },
      },
    },
  },
};

describe("a draft", () => {
  test("that is as it was changes nothing", () => {
    expect(changed(draftOf(saved), draftOf({ ...saved, labels: { b: "2", a: "1" } }))).toEqual([]);
  });

  test("names what was changed, as the mask does", () => {
    expect(changed(draftOf(saved), { ...draftOf(saved), displayName: "A", encryption: undefined })).toEqual([
      "display_name",
      "encryption",
    ]);
  });

  test("without encryption is sent without", () => {
    expect(endpointOf({ ...draftOf(saved), encryption: undefined })).not.toHaveProperty("encryption");
    expect(endpointOf(draftOf(saved)).encryption).toEqual(saved.encryption);
  });

  test("saves the reason why its URL is public with the URL, and only with that", () => {
    const before = draftOf({ ...saved, urlPublicReason: "the merchant ID" });
    expect(endpointOf(before)).toHaveProperty("urlPublicReason", "the merchant ID");
    expect(endpointOf(before, ["labels"])).not.toHaveProperty("urlPublicReason");
    const after = { ...before, urlPublicReason: "the merchant's ID" };
    expect(changed(before, after)).toEqual(["url"]);
    expect(changed(before, { ...after, url: "https://b.test/" })).toEqual(["url"]);
    expect(endpointOf(after, ["url"])).toHaveProperty("urlPublicReason", "the merchant's ID");
  });

  test("reads beside another", () => {
    expect(show(draftOf(saved), "methods")).toBe("POST");
    expect(show(draftOf(saved), "headers")).toBe("");
  });
});

test.each([
  ["Authorization", true],
  ["X-Api-Key", true],
  ["session-TOKEN", true],
  ["client_secret", true],
  ["Cookie", true],
  ["X-Client", false],
  ["keyboard", false],
])("%s carries a credential: %s", (name, does) => {
  expect(carriesCredential(name)).toBe(does);
});

test.each([
  ["X-Api-Key", true],
  ["session-token", true],
  ["Authorization", false],
  ["client_secret", false],
])("a value under %s may be public: %s", (name, may) => {
  expect(mayStandUnder(name)).toBe(may);
});

test("the host of a URL, or of none", () => {
  expect(hostOf("https://API.bank.test./x")).toBe("api.bank.test");
  expect(hostOf("https://API.bank.test:443/x")).toBe("api.bank.test");
  expect(hostOf("https://API.bank.test:8443/x")).toBe("api.bank.test:8443");
  expect(hostOf("https://[::1]/")).toBe("::1");
  expect(hostOf("https://[::1]:8443/")).toBe("[::1]:8443");
  expect(hostOf("https:")).toBeUndefined();
});

test("a place in a request reads as words", () => {
  expect(placeWords("endpoint.encryption.request.cipher.shared_key.keys[0].name")).toBe(
    "encryption › request › cipher › shared key › keys 1 › name",
  );
  expect(placeWords('endpoint.encryption.request.envelope.blobs["my_data"].parts[0].slot')).toBe(
    "encryption › request › envelope › blobs “my_data” › parts 1 › slot",
  );
  expect(placeWords('endpoint.encryption.request.signing.headers["X.Sign_1"]')).toBe(
    "encryption › request › signing › headers “X.Sign_1”",
  );
});

test("algorithms and unsafe choices are found wherever they are", () => {
  const encryption = {
    request: {
      cipher: { algorithm: "ALGORITHM_AES_128_CBC" as const },
      allowLegacy: [{ flag: "FLAG_UNAUTHENTICATED_CBC" as const, reason: "r", expireTime: "2026-01-01T00:00:00Z" }],
    },
    response: { cipher: { algorithm: "ALGORITHM_AES_128_CBC" as const } },
  };
  expect(protections(encryption)).toEqual(["AES-128-CBC"]);
  expect(legacyOf(encryption, Date.parse("2026-06-01"))).toEqual([
    { flag: "Unauthenticated CBC", reason: "r", expires: "2026-01-01T00:00:00Z", over: true, directions: ["request"] },
  ]);
  expect(protections(undefined)).toEqual([]);
  expect(flagWords("FLAG_RSA_PKCS1")).toBe("RSA PKCS1");
});

test("an unsafe choice of both directions is told once", () => {
  const allowLegacy = [{ flag: "FLAG_ECB" as const, reason: "r", expireTime: "2026-01-01T00:00:00Z" }];
  const found = legacyOf({
    request: { allowLegacy },
    response: {
      allowLegacy: [...allowLegacy, { flag: "FLAG_MD5_KDF" as const, reason: "r", expireTime: "2026-02-01T00:00:00Z" }],
    },
  });
  expect(found.map((l) => `${l.flag} ${directionWords(l)}`)).toEqual([
    "ECB in requests and responses",
    "MD5 KDF in responses",
  ]);
});

test.each<[string, EncryptionJson, string[]]>([
  [
    "JWE",
    {
      request: {
        jose: { keyManagement: "KEY_MANAGEMENT_RSA_OAEP_256", contentEncryption: "CONTENT_ENCRYPTION_A256GCM" },
      },
    },
    ["JWE RSA-OAEP-256 A256GCM"],
  ],
  [
    "JWE with a JWS inside",
    {
      request: {
        jose: { keyManagement: "KEY_MANAGEMENT_DIR", contentEncryption: "CONTENT_ENCRYPTION_A128CBC_HS256" },
        nestedJws: { jws: { algorithm: "ALGORITHM_ES256" } },
      },
    },
    ["JWE DIR A128CBC-HS256", "ES256"],
  ],
  ["OpenPGP", { request: { pgp: {} } }, ["OpenPGP"]],
  ["CMS", { request: { cms: { contentEncryption: "CONTENT_ENCRYPTION_AES_256_CBC" } } }, ["CMS AES-256-CBC"]],
  ["CMS that only signs", { request: { cms: {} } }, ["CMS"]],
  ["RSA", { request: { rsaDirect: { oaep: {} } } }, ["RSA-OAEP"]],
  [
    "a signature alone",
    { request: { signing: { mac: { algorithm: "ALGORITHM_HMAC_SHA256" } } } },
    ["Signed HMAC-SHA256"],
  ],
  ["a signature without an algorithm", { request: { signing: { secretDigest: {} } } }, ["Signed only"]],
  [
    "a clear answer",
    { request: { rsaDirect: { pkcs1V15: {} } }, response: { plain: {} } },
    ["RSA PKCS #1 v1.5", "Responses not encrypted"],
  ],
  [
    "both ways clear and signed",
    { request: { plain: {}, signing: { jws: { algorithm: "ALGORITHM_PS256" } } }, response: { plain: {} } },
    ["Signed PS256", "Not encrypted"],
  ],
])("the protection of %s", (_, encryption, want) => {
  expect(protections(encryption)).toEqual(want);
});

test("unsafe choices that nobody answers for are found in a refusal, each once, and not what was acknowledged since", () => {
  const violation = (direction: string, flag: string) => ({
    field: `endpoint.encryption.${direction}.allow_legacy`,
    description: `must acknowledge ${flag}`,
  });
  const refusal = new Problem(400, "", {
    details: [
      {
        fieldViolations: [
          violation("request", "ECB"),
          violation("request", "MD5_KDF"),
          violation("response", "ECB"),
          { field: "endpoint.url", description: "must be https" },
        ],
      },
    ],
  });
  expect(missingFlags(refusal, { request: {} })).toEqual([
    { flag: "FLAG_ECB", directions: ["request", "response"] },
    { flag: "FLAG_MD5_KDF", directions: ["request"] },
  ]);
  expect(
    missingFlags(refusal, {
      request: { allowLegacy: [{ flag: "FLAG_ECB" }, { flag: "FLAG_MD5_KDF" }] },
      response: { allowLegacy: [{ flag: "FLAG_ECB" }] },
    }),
  ).toEqual([]);
  expect(missingFlags(undefined, {})).toEqual([]);
});

test("a filter by unsafe choices asks for a time", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  expect(legacyBefore("expired", now)).toBe("2026-01-01T00:00:00.000Z");
  expect(legacyBefore("soon", now)).toBe("2026-01-31T00:00:00.000Z");
  // Acknowledgements last two years at most.
  expect(Date.parse(legacyBefore("any", now) ?? "")).toBeGreaterThan(Date.parse("2028-01-02T00:00:00Z"));
  expect(legacyBefore("", now)).toBeUndefined();
});

test("only conflicting key uses are for super admins to acknowledge", () => {
  const flags = shape.enums["keyward.allowlist.v1.LegacyAcknowledgement.Flag"]?.values.map((v) => v.name) ?? [];
  expect(flags.filter(ofSuperAdmins)).toEqual(["FLAG_CONFLICTING_KEY_USES", "FLAG_ISSUED_UNSIGNED"]);
  expect(flagWords("FLAG_CONFLICTING_KEY_USES")).toBe("Conflicting key uses");
  expect(flagMeaning("FLAG_CONFLICTING_KEY_USES")).toMatch(/only a super admin may acknowledge it/);
});
