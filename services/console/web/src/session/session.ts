// The session of the signed-in user. Tokens are only in this module's memory: not in storage, not in the address, and
// not in React's state.
import { localPath } from "../app/router";
import { t } from "../text/t";
import {
  begin,
  claims,
  discover,
  finish,
  loadConfig,
  refresh,
  SignInError,
  type Config,
  type Issuer,
  type Pending,
  type Tokens,
} from "./oidc";

export interface Person {
  name: string;
  subject: string;
}

/**
 * The phase of the session, which decides what the page shows. `expired` keeps the current page and asks the user to
 * sign in again.
 */
export type Phase =
  | { is: "starting" }
  | { is: "out"; standalone: boolean; problem?: string }
  | { is: "in"; person: Person }
  | { is: "expired"; person: Person; problem?: string }
  | { is: "popup" }
  | { is: "broken"; problem: string };

const pendingKey = "keyward.sign-in";
const knownKey = "keyward.known";
const wantedKey = "keyward.wanted";
const channelName = "keyward.sign-in";

/** How long before its expiry a token is renewed, in milliseconds. */
const early = 60_000;

class Session {
  phase: Phase = { is: "starting" };
  #listeners = new Set<() => void>();
  #config: Config | undefined;
  #issuer: Issuer | undefined;
  #tokens: Tokens | undefined;
  #renewing: Promise<void> | undefined;
  #timer = 0;
  #again: AbortController | undefined;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  getPhase = (): Phase => this.phase;

  #to(phase: Phase): void {
    this.phase = phase;
    for (const listener of this.#listeners) listener();
  }

  /** Determines how the page was opened: by the issuer, with a ticket, or directly. */
  async start(): Promise<void> {
    const ticket = takeTicket();
    const back = takeAnswer();
    try {
      if (back?.get("state")?.startsWith("popup.")) {
        handOver(back);
        this.#to({ is: "popup" });
        return;
      }
      await this.#meet();
      if (back) await this.#complete(back);
      else if (ticket) await this.#exchange(ticket);
      else if (this.#config?.standalone || storage.get(localStorage, knownKey)) await this.signIn({ silent: true });
      else this.#out();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #meet(): Promise<{ config: Config; issuer: Issuer }> {
    this.#config ??= await loadConfig();
    this.#issuer ??= await discover(this.#config);
    return { config: this.#config, issuer: this.#issuer };
  }

  async #complete(answer: URLSearchParams): Promise<void> {
    const { config, issuer } = await this.#meet();
    const kept = storage.get(sessionStorage, pendingKey);
    storage.remove(sessionStorage, pendingKey);
    if (!kept) throw new SignInError("state", t("signIn.stale"));
    const { entry = null, ...pending } = JSON.parse(kept) as Pending & { entry?: unknown };
    window.history.replaceState(entry, "", localPath(pending.returnTo));
    this.#enter(await finish(config, issuer, answer, pending));
    const wanted = takeWanted();
    if (window.location.pathname === "/") window.history.replaceState(null, "", wanted);
  }

  async #exchange(ticket: string): Promise<void> {
    const { config } = await this.#meet();
    const response = await fetch(`${config.issuer}/ticket`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ticket }),
      credentials: "same-origin",
      redirect: "error",
    });
    if (!response.ok) throw new SignInError("invalid_ticket", "");
    await this.signIn({ silent: true });
  }

  /** Leaves for the issuer, and returns to the current place of the page. */
  async signIn(options: { silent?: boolean } = {}): Promise<void> {
    const { config, issuer } = await this.#meet();
    const returnTo = window.location.pathname + window.location.search;
    const { url, pending } = await begin(config, issuer, { returnTo, silent: options.silent });
    storage.set(sessionStorage, pendingKey, JSON.stringify({ ...pending, entry: window.history.state as unknown }));
    window.location.replace(url);
  }

  /**
   * Signs in again in a separate window, so that input in this one stays. Call it from a click, or the browser blocks
   * the window. There is no event when the window closes without an answer: a second call stops waiting for the first.
   */
  async signInAgain(): Promise<void> {
    this.#again?.abort();
    const { signal } = (this.#again = new AbortController());
    // Opened before any await: a click allows a window only for a moment.
    const popup = window.open("", "keyward-sign-in", "popup,width=520,height=680");
    try {
      const { config, issuer } = await this.#meet();
      const { url, pending } = await begin(config, issuer, { returnTo: "/", popup: true });
      if (!popup) throw new SignInError("popup", t("signIn.popup"));
      const answer = awaitHandOver(pending.state, signal);
      popup.location.replace(url);
      this.#enter(await finish(config, issuer, await answer, pending));
    } catch (error) {
      popup?.close();
      if (this.phase.is === "expired") this.#to({ ...this.phase, problem: words(error, this.#config?.standalone) });
    }
  }

  async signOut(): Promise<void> {
    const { config, issuer } = await this.#meet();
    this.#forget();
    storage.remove(localStorage, knownKey);
    if (!issuer.end_session_endpoint) {
      window.history.replaceState(null, "", "/");
      this.#out();
      return;
    }
    const url = new URL(issuer.end_session_endpoint);
    url.searchParams.set("client_id", config.clientId);
    url.searchParams.set("post_logout_redirect_uri", `${window.location.origin}/`);
    window.location.replace(url.toString());
  }

  /** Returns the bearer token for the API, renewed if necessary. Throws if the user is not signed in. */
  async token(): Promise<string> {
    if (this.#tokens && performance.now() > this.#tokens.expires - early / 2) await this.renew();
    if (!this.#tokens || performance.now() >= this.#tokens.expires) {
      this.expire();
      throw new SignInError("expired", t("signIn.ended"));
    }
    return this.#tokens.accessToken;
  }

  /** Renews the token once for any number of concurrent callers; a refresh token works only once. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    const refreshToken = this.#tokens?.refreshToken;
    if (!refreshToken) return;
    try {
      const { config, issuer } = await this.#meet();
      this.#keep(await refresh(config, issuer, refreshToken));
    } catch (error) {
      // Only a response of the issuer ends the session; a network failure is retried.
      if (error instanceof SignInError) this.expire();
      else this.#schedule(5_000);
    }
  }

  /** Discards the token. The page stays unchanged, under a dialog that asks the user to sign in again. */
  expire(): void {
    if (this.phase.is !== "in") return;
    const { person } = this.phase;
    this.#forget();
    this.#to({ is: "expired", person });
  }

  #enter(tokens: Tokens): void {
    const found = { ...claims(tokens.accessToken), ...claims(tokens.idToken) };
    const subject = String(found.sub ?? "");
    const name = [found.name, found.preferred_username, found.email, subject].find(
      (v) => typeof v === "string" && v !== "",
    );
    this.#keep(tokens);
    storage.set(localStorage, knownKey, "1");
    this.#to({ is: "in", person: { name: String(name ?? ""), subject } });
  }

  #keep(tokens: Tokens): void {
    this.#tokens = tokens;
    this.#schedule(Math.max(tokens.expires - performance.now() - early, 1_000));
  }

  #schedule(delay: number): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => {
      if (this.#tokens?.refreshToken) void this.renew();
      else if (this.#tokens && performance.now() >= this.#tokens.expires) this.expire();
      else this.#schedule(early / 2);
    }, delay);
  }

  #forget(): void {
    this.#tokens = undefined;
    window.clearTimeout(this.#timer);
  }

  #out(problem?: string): void {
    keepWanted();
    this.#to({ is: "out", standalone: this.#config?.standalone ?? false, problem });
  }

  #failed(error: unknown): void {
    if (!this.#config || !this.#issuer) {
      this.#to({ is: "broken", problem: words(error) });
      return;
    }
    storage.remove(localStorage, knownKey);
    const silent =
      error instanceof SignInError &&
      ["login_required", "interaction_required", "consent_required"].includes(error.code);
    this.#out(silent ? undefined : words(error, this.#config.standalone));
  }
}

function words(error: unknown, standalone?: boolean): string {
  if (!(error instanceof SignInError)) return t("signIn.server");
  // The issuer's own message follows the explanation.
  const said = error.message ? ` ${t("signIn.said", { message: error.message })}` : "";
  switch (error.code) {
    case "invalid_ticket":
      return t("signIn.ticket");
    case "login_required":
      return standalone ? t("signIn.unknownBrowser") : t("signIn.login");
    case "access_denied":
      return t("signIn.denied", { said });
    case "temporarily_unavailable":
    case "server_error":
      return t("signIn.later", { said });
    case "invalid_request":
    case "invalid_scope":
    case "invalid_client":
    case "unauthorized_client":
    case "unsupported_response_type":
      return t("signIn.setup", { code: error.code, said });
    case "invalid_grant":
      return t("signIn.grant");
    default:
      return error.message || t("signIn.failed");
  }
}

/** Takes the one-time ticket and removes it from the address at once. */
function takeTicket(): string | undefined {
  const ticket = new URLSearchParams(window.location.hash.slice(1)).get("ticket");
  if (ticket) window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return ticket ?? undefined;
}

/** Takes the issuer's response and removes it from the address at once. */
function takeAnswer(): URLSearchParams | undefined {
  if (window.location.pathname !== "/signed-in") return undefined;
  const answer = new URLSearchParams(window.location.search);
  window.history.replaceState(null, "", "/");
  return answer;
}

/**
 * Passes the response to the page that opened this window. The code in it is worthless without the verifier, which
 * never leaves that page.
 */
function handOver(answer: URLSearchParams): void {
  const channel = new BroadcastChannel(channelName);
  channel.postMessage(answer.toString());
  channel.close();
  window.close();
}

/** The response to a sign-in in another window. Never resolves after an abort. */
function awaitHandOver(state: string, givenUp: AbortSignal): Promise<URLSearchParams> {
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(channelName);
    givenUp.addEventListener("abort", () => channel.close());
    channel.onmessage = (event: MessageEvent<string>) => {
      const answer = new URLSearchParams(event.data);
      if (answer.get("state") !== state) return;
      channel.close();
      resolve(answer);
    };
  });
}

/** How long the place requested before a sign-in is kept, in milliseconds. */
const patience = 10 * 60_000;

/** Stores the requested place: a sign-in link may open the home page in another tab. */
function keepWanted(): void {
  const { pathname, search } = window.location;
  if (pathname !== "/")
    storage.set(localStorage, wantedKey, JSON.stringify({ path: pathname + search, time: Date.now() }));
}

/** Takes the place requested before the sign-in; it works once. */
function takeWanted(): string {
  const kept = storage.get(localStorage, wantedKey);
  storage.remove(localStorage, wantedKey);
  if (!kept) return "/";
  const { path, time } = JSON.parse(kept) as { path: string; time: number };
  return Date.now() - time < patience ? localPath(path) : "/";
}

/** A browser may refuse storage; the page then asks the user to sign in more often. */
const storage = {
  get(where: Storage, key: string): string | null {
    try {
      return where.getItem(key);
    } catch {
      return null;
    }
  },
  set(where: Storage, key: string, value: string): void {
    try {
      where.setItem(key, value);
    } catch {
      // See above.
    }
  },
  remove(where: Storage, key: string): void {
    try {
      where.removeItem(key);
    } catch {
      // See above.
    }
  },
};

/** The session of this page. */
export const session = new Session();
