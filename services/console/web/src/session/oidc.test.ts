import { afterEach, describe, expect, test, vi } from "vitest";
import { begin, claims, finish, type Config, type Issuer } from "./oidc";
import { base64url } from "../api/base64";
import { challenge } from "./pkce";

const config: Config = {
  issuer: "https://login.test",
  clientId: "console",
  scopes: ["openid", "profile"],
  audience: "keyward",
  standalone: false,
};
const issuer: Issuer = {
  issuer: "https://login.test",
  authorization_endpoint: "https://login.test/authorize?tenant=1",
  token_endpoint: "https://login.test/token",
};

vi.stubGlobal("window", { location: { origin: "https://keyward.test" } });
afterEach(() => vi.restoreAllMocks());

const jwt = (payload: object) => `x.${base64url(new TextEncoder().encode(JSON.stringify(payload)))}.y`;

/** The response of the issuer's token endpoint. */
function answers(body: object, status = 200): void {
  vi.stubGlobal(
    "fetch",
    vi.fn(() => Promise.resolve(new Response(JSON.stringify(body), { status }))),
  );
}

describe("a sign-in", () => {
  test("asks with PKCE, state and nonce, and for the audience", async () => {
    const { url, pending } = await begin(config, issuer, { returnTo: "/w/demo", silent: true });
    const query = Object.fromEntries(new URL(url).searchParams);
    expect(query).toMatchObject({
      tenant: "1",
      response_type: "code",
      client_id: "console",
      scope: "openid profile",
      redirect_uri: "https://keyward.test/signed-in",
      audience: "keyward",
      prompt: "none",
      code_challenge_method: "S256",
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await challenge(pending.verifier),
    });
    expect(url).not.toContain(pending.verifier);
  });

  test("ends with tokens when all is of one piece", async () => {
    const { pending } = await begin(config, issuer, { returnTo: "/" });
    answers({
      access_token: "a",
      refresh_token: "r",
      expires_in: 600,
      id_token: jwt({
        iss: config.issuer,
        aud: ["console"],
        nonce: pending.nonce,
        exp: Date.now() / 1000 + 60,
        name: "Jo",
      }),
    });
    const tokens = await finish(
      config,
      issuer,
      new URLSearchParams({ state: pending.state, code: "c", iss: issuer.issuer }),
      pending,
    );
    expect(tokens).toMatchObject({ accessToken: "a", refreshToken: "r" });
    expect(claims(tokens.idToken)).toMatchObject({ name: "Jo" });
  });

  test.each([
    ["another state", { state: "other" }, {}],
    ["an error", { error: "access_denied" }, {}],
    ["another issuer's answer", { iss: "https://evil.test" }, {}],
    ["an id token of another issuer", {}, { iss: "https://evil.test" }],
    ["an id token for another client", {}, { aud: "other" }],
    ["an id token with another nonce", {}, { nonce: "other" }],
  ])("does not take %s", async (_, query, claim) => {
    const { pending } = await begin(config, issuer, { returnTo: "/" });
    answers({
      access_token: "a",
      id_token: jwt({
        iss: config.issuer,
        aud: "console",
        nonce: pending.nonce,
        exp: Date.now() / 1000 + 60,
        ...claim,
      }),
    });
    await expect(
      finish(config, issuer, new URLSearchParams({ state: pending.state, code: "c", ...query }), pending),
    ).rejects.toThrow();
  });

  test("names the clock when an id token has ended, by more than clocks may be apart", async () => {
    const { pending } = await begin(config, issuer, { returnTo: "/" });
    const back = new URLSearchParams({ state: pending.state, code: "c" });
    const ended = (seconds: number) =>
      answers({
        access_token: "a",
        id_token: jwt({ iss: config.issuer, aud: "console", nonce: pending.nonce, exp: Date.now() / 1000 - seconds }),
      });
    ended(400);
    await expect(finish(config, issuer, back, pending)).rejects.toMatchObject({ code: "clock" });
    ended(200);
    await expect(finish(config, issuer, back, pending)).resolves.toMatchObject({ accessToken: "a" });
  });

  test("does not take an answer without an id token, or a refusal", async () => {
    const { pending } = await begin(config, issuer, { returnTo: "/" });
    const back = new URLSearchParams({ state: pending.state, code: "c" });
    answers({ access_token: "a" });
    await expect(finish(config, issuer, back, pending)).rejects.toThrow();
    answers({ error: "invalid_grant" }, 400);
    await expect(finish(config, issuer, back, pending)).rejects.toMatchObject({ code: "invalid_grant" });
  });
});
