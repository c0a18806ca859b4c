import { createHash, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import https from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Grant {
  user: string;
  nonce: string;
  challenge: string;
  audience: string;
}

/**
 * An issuer like that of a company, on another site than the page: with a sign-in form, a session in a cookie, PKCE,
 * and refresh tokens that work once.
 */
export class Issuer {
  /** The lifetime of access tokens, in seconds. */
  lifetime = 600;
  /** Changes the parameters that are returned to the page. */
  tamper: (answer: URLSearchParams) => void = () => undefined;
  /** Claims that make ID tokens invalid. */
  wrong: Record<string, unknown> = {};
  /** The page's requests to the endpoints, in order. */
  readonly asked: { path: string; params: URLSearchParams; headers: IncomingMessage["headers"] }[] = [];
  /** The registered page. */
  client = { id: "keyward-console", origin: "" };

  #sessions = new Map<string, string>();
  #codes = new Map<string, Grant>();
  #renewals = new Map<string, Grant>();
  #keys: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync("ec", { namedCurve: "P-256" });

  private constructor(
    readonly url: string,
    readonly server: https.Server,
  ) {
    server.on("request", (request, response) => void this.#answer(request, response));
  }

  /** Starts an issuer at `localhost`, which is another site than `127.0.0.1`. */
  static async start(tls: { cert: Buffer; key: Buffer }, port: number): Promise<Issuer> {
    const server = https.createServer(tls);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    return new Issuer(`https://localhost:${(server.address() as AddressInfo).port}/tenant`, server);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Ends every session and revokes its tokens. */
  revoke(): void {
    this.#sessions.clear();
    this.#renewals.clear();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const params = request.method === "POST" ? new URLSearchParams(body) : url.searchParams;
    this.asked.push({ path: url.pathname, params, headers: request.headers });
    const json = (status: number, value: object, origin: string) => {
      response.writeHead(status, {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": origin,
        Vary: "Origin",
      });
      response.end(JSON.stringify(value));
    };
    switch (`${request.method} ${url.pathname}`) {
      case "GET /tenant/.well-known/openid-configuration":
        return json(200, this.#discovery(), "*");
      case "GET /tenant/keys":
        return json(
          200,
          { keys: [{ ...this.#keys.publicKey.export({ format: "jwk" }), kid: "one", alg: "ES256", use: "sig" }] },
          "*",
        );
      case "POST /tenant/token": {
        const [status, answer] = this.#token(params);
        return json(status, answer, this.client.origin);
      }
      case "GET /tenant/authorize":
        return this.#authorize(params, request, response);
      case "POST /tenant/sign-in":
        return this.#signIn(params, response);
      case "GET /tenant/sign-out":
        return this.#signOut(params, request, response);
      default:
        response.writeHead(204).end();
    }
  }

  #discovery(): object {
    const { url } = this;
    return {
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      jwks_uri: `${url}/keys`,
      end_session_endpoint: `${url}/sign-out`,
      response_types_supported: ["code"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
      code_challenge_methods_supported: ["S256"],
    };
  }

  #user(request: IncomingMessage): string | undefined {
    return this.#sessions.get(/(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "");
  }

  #authorize(params: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    if (
      params.get("client_id") !== this.client.id ||
      params.get("redirect_uri") !== `${this.client.origin}/signed-in` ||
      params.get("code_challenge_method") !== "S256"
    ) {
      response.writeHead(400).end("not a page that is known here");
      return;
    }
    const user = this.#user(request);
    if (user) return this.#sendBack(params, user, response);
    if (params.get("prompt") === "none") return this.#redirect(params, { error: "login_required" }, response);
    const hidden = [...params]
      .map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`)
      .join("");
    response.writeHead(200, { "Content-Type": "text/html; charset=utf-8" });
    response.end(
      `<!doctype html><title>Company login</title><h1>Company login</h1><form method="post" action="sign-in">${hidden}<label>User <input name="user"></label><button name="go" value="yes">Log in</button><button name="go" value="no">Refuse</button></form>`,
    );
  }

  #signIn(params: URLSearchParams, response: ServerResponse): void {
    if (params.get("go") === "no")
      return this.#redirect(params, { error: "access_denied", error_description: "Not in working hours" }, response);
    const session = randomUUID();
    const user = params.get("user") ?? "";
    this.#sessions.set(session, user);
    response.setHeader("Set-Cookie", `session=${session}; Path=/; Secure; HttpOnly; SameSite=Lax`);
    this.#sendBack(params, user, response);
  }

  #sendBack(params: URLSearchParams, user: string, response: ServerResponse): void {
    const code = randomUUID();
    this.#codes.set(code, {
      user,
      nonce: params.get("nonce") ?? "",
      challenge: params.get("code_challenge") ?? "",
      audience: params.get("audience") ?? "",
    });
    this.#redirect(params, { code }, response);
  }

  #redirect(params: URLSearchParams, answer: Record<string, string>, response: ServerResponse): void {
    const back = new URLSearchParams({ ...answer, state: params.get("state") ?? "", iss: this.url });
    this.tamper(back);
    response.writeHead(302, { Location: `${this.client.origin}/signed-in?${back.toString()}` }).end();
  }

  #signOut(params: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    const session = /(?:^|; )session=([^;]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
    this.#sessions.delete(session);
    const back =
      params.get("post_logout_redirect_uri") === `${this.client.origin}/` ? `${this.client.origin}/` : "about:blank";
    response.writeHead(302, { Location: back, "Set-Cookie": "session=; Path=/; Max-Age=0" }).end();
  }

  #token(params: URLSearchParams): [number, object] {
    if (params.get("client_id") !== this.client.id) return [400, { error: "invalid_client" }];
    const [kept, shown] =
      params.get("grant_type") === "refresh_token"
        ? [this.#renewals, params.get("refresh_token")]
        : [this.#codes, params.get("code")];
    const grant = kept.get(shown ?? "");
    kept.delete(shown ?? "");
    const proven =
      kept === this.#renewals ||
      createHash("sha256")
        .update(params.get("code_verifier") ?? "")
        .digest("base64url") === grant?.challenge;
    if (!grant || !proven) return [400, { error: "invalid_grant" }];
    const renewal = randomUUID();
    this.#renewals.set(renewal, grant);
    return [
      200,
      {
        access_token: this.accessToken(grant.user, grant.audience),
        token_type: "Bearer",
        expires_in: this.lifetime,
        refresh_token: renewal,
        id_token: this.#jwt({
          sub: grant.user,
          aud: this.client.id,
          nonce: grant.nonce,
          name: `${grant.user} of the company`,
          ...this.wrong,
        }),
      },
    ];
  }

  /** A token for the API, of a user who is in the group of the given name. */
  accessToken(user: string, audience: string): string {
    return this.#jwt({ sub: user, aud: audience, groups: [`${user}s`] });
  }

  #jwt(claims: object): string {
    const now = Math.floor(Date.now() / 1000);
    const text = [
      { alg: "ES256", typ: "JWT", kid: "one" },
      { iss: this.url, iat: now, exp: now + this.lifetime, jti: randomUUID(), ...claims },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    return `${text}.${sign("sha256", Buffer.from(text), { key: this.#keys.privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  }
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
