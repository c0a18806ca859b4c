import { SignInError } from "../session/oidc";
import { session } from "../session/session";
import { Problem } from "./problem";

export type Query = Record<string, string | number | boolean | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

/** The timeout for responses. Verification contacts the servers of partners. */
const patience = 45_000;

/**
 * Calls the API. Neither the body nor the response is kept. A call that
 * fails because of its token is retried once with a new token.
 */
export async function call<T>(method: string, path: string, options: Options = {}): Promise<T> {
  let response = await send(method, path, options, await bearer());
  if (response.status === 401) {
    await session.renew();
    response = await send(method, path, options, await bearer());
    if (response.status === 401) session.expire();
  }
  const requestId = response.headers.get("x-request-id") ?? "";
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw new Problem(response.status, requestId, answer as ConstructorParameters<typeof Problem>[2]);
  return answer as T;
}

async function bearer(): Promise<string> {
  try {
    return await session.token();
  } catch (error) {
    if (error instanceof SignInError) throw new Problem(401, "", refusal("CREDENTIALS_MISSING"));
    throw error;
  }
}

/** An error of the page itself, in the form that the server uses. */
export const refusal = (reason: string) => ({ details: [{ "@type": "google.rpc.ErrorInfo", reason }] });

async function send(method: string, path: string, { query, body, signal }: Options, token: string): Promise<Response> {
  const timeout = AbortSignal.timeout(patience);
  const headers: Record<string, string> = { Authorization: `Bearer ${token}`, Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(`/v1/${path}${search(query)}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw timeout.aborted ? new Problem(504, "", refusal("DEADLINE")) : new Problem(0, "");
  }
}

function search(query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "" && value !== false) params.set(key, String(value));
  }
  const text = params.toString();
  return text ? `?${text}` : "";
}
