// The browser's half of OpenID Connect: authorization code with PKCE, as a public
// client (OAuth 2.0 for Browser-Based Apps). Nothing here keeps state.
import { fromBase64url } from "../api/base64";
import { t } from "../text/t";
import { challenge, random } from "./pkce";

/** The content of /config.json. */
export interface Config {
  issuer: string;
  clientId: string;
  scopes: string[];
  audience?: string;
  standalone: boolean;
}

/** The part of the issuer's discovery document that the page needs. */
export interface Issuer {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
  end_session_endpoint?: string;
}

/** A pending sign-in, kept until the browser returns. */
export interface Pending {
  state: string;
  nonce: string;
  verifier: string;
  returnTo: string;
}

export interface Tokens {
  accessToken: string;
  refreshToken?: string;
  idToken?: string;
  /** When the access token expires, on the clock of performance.now(). */
  expires: number;
}

/** The reason why a sign-in failed. The code is OAuth's, such as `login_required`. */
export class SignInError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export async function loadConfig(): Promise<Config> {
  const response = await fetch("/config.json", { cache: "no-store", credentials: "omit" });
  if (!response.ok) throw new SignInError("config", t("signIn.config"));
  return (await response.json()) as Config;
}

export async function discover(config: Config): Promise<Issuer> {
  const response = await fetch(`${config.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, {
    credentials: "omit",
  }).catch(() => {
    throw new SignInError("discovery", t("signIn.issuer"));
  });
  if (!response.ok) throw new SignInError("discovery", t("signIn.issuerConfig"));
  const issuer = (await response.json()) as Issuer;
  // Another issuer's document must not decide where codes go (OIDC Discovery 4.3).
  if (issuer.issuer !== config.issuer) throw new SignInError("discovery", t("signIn.issuerName"));
  return issuer;
}

export const redirectUri = (): string => `${window.location.origin}/signed-in`;

/** Starts a sign-in. `silent` asks the issuer not to show anything. */
export async function begin(
  config: Config,
  issuer: Issuer,
  options: { returnTo: string; silent?: boolean; popup?: boolean },
): Promise<{ url: string; pending: Pending }> {
  const pending: Pending = {
    state: (options.popup ? "popup." : "") + random(),
    nonce: random(),
    verifier: random(),
    returnTo: options.returnTo,
  };
  const url = new URL(issuer.authorization_endpoint);
  const query: Record<string, string> = {
    response_type: "code",
    client_id: config.clientId,
    redirect_uri: redirectUri(),
    scope: config.scopes.join(" "),
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await challenge(pending.verifier),
    code_challenge_method: "S256",
  };
  if (config.audience) query.audience = config.audience;
  if (options.silent) query.prompt = "none";
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return { url: url.toString(), pending };
}

/** Exchanges the issuer's response for tokens. */
export async function finish(
  config: Config,
  issuer: Issuer,
  answer: URLSearchParams,
  pending: Pending,
): Promise<Tokens> {
  if (answer.get("state") !== pending.state) throw new SignInError("state", t("signIn.state"));
  // RFC 9207: a response of another issuer, mixed in.
  const from = answer.get("iss");
  if (from && from !== issuer.issuer) throw new SignInError("state", t("signIn.otherIssuer"));
  const error = answer.get("error");
  if (error) throw new SignInError(error, answer.get("error_description") ?? "");
  const tokens = await request(config, issuer, {
    grant_type: "authorization_code",
    code: answer.get("code") ?? "",
    redirect_uri: redirectUri(),
    code_verifier: pending.verifier,
  });
  checkIdToken(config, tokens.idToken, pending.nonce);
  return tokens;
}

/** Exchanges a refresh token, which works once, for new tokens. */
export function refresh(config: Config, issuer: Issuer, refreshToken: string): Promise<Tokens> {
  return request(config, issuer, { grant_type: "refresh_token", refresh_token: refreshToken });
}

async function request(config: Config, issuer: Issuer, form: Record<string, string>): Promise<Tokens> {
  const asked = performance.now();
  const response = await fetch(issuer.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({ client_id: config.clientId, ...form }),
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
  });
  const answer = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (!response.ok) throw new SignInError(String(answer.error ?? "token"), text(answer.error_description) ?? "");
  if (typeof answer.access_token !== "string") throw new SignInError("token", t("signIn.noToken"));
  return {
    accessToken: answer.access_token,
    refreshToken: text(answer.refresh_token) ?? form.refresh_token,
    idToken: text(answer.id_token),
    expires: asked + 1000 * (typeof answer.expires_in === "number" ? answer.expires_in : 300),
  };
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** The claims of a token. The servers verify its signature; the page received it over TLS. */
export function claims(token: string | undefined): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(fromBase64url(token?.split(".")[1] ?? ""))) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** The allowed clock difference, in milliseconds. */
const skew = 5 * 60_000;

function checkIdToken(config: Config, token: string | undefined, nonce: string): void {
  const found = claims(token);
  const audience = Array.isArray(found.aud) ? found.aud : [found.aud];
  const right =
    found.iss === config.issuer &&
    audience.includes(config.clientId) &&
    found.nonce === nonce &&
    typeof found.exp === "number";
  if (!right) throw new SignInError("id_token", t("signIn.state"));
  // The token was just issued, so the clock of this machine is wrong.
  if (Number(found.exp) * 1000 < Date.now() - skew) throw new SignInError("clock", t("signIn.clock"));
}
