// An OpenID provider for tests: oidc-provider, certified, with JWT access tokens. It reads its settings from the JSON
// file that its argument names and prints its URL when it is ready. Any name that the file has tokens for can sign in.
import { readFile } from "node:fs/promises";
import https from "node:https";
import Provider from "oidc-provider";

/**
 * @typedef {object} Settings
 * @property {string} issuer URL, with the port that it listens on
 * @property {string} certificate file
 * @property {string} key file
 * @property {string} audience of its access tokens
 * @property {number} lifetime of its access tokens, in seconds
 * @property {object[]} clients as the provider's documentation describes them
 * @property {Record<string, object>} tokens the claims of access tokens by their recipient: people
 *   by the name that they sign in with, workloads by their client ID
 * @property {object} header of access tokens, in addition to alg and kid
 */

/** @type {Settings} */
const settings = JSON.parse(await readFile(process.argv[2] ?? "", "utf8"));
const { pathname, port } = new URL(settings.issuer);
const lifetime = () => settings.lifetime;
const api = "urn:keyward:api";

const provider = new Provider(settings.issuer, {
  clients: settings.clients,
  clientBasedCORS: (_, origin, client) => client.redirectUris.some((uri) => new URL(uri).origin === origin),
  conformIdTokenClaims: false,
  claims: { openid: ["sub", "name"] },
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime },
  findAccount: (_, name) =>
    settings.tokens[name] && { accountId: name, claims: () => ({ sub: name, name: `${name} of the company` }) },
  async loadExistingGrant(ctx) {
    const { client, session, params } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(params.scope);
    grant.addResourceScope(api, params.scope);
    await grant.save();
    return grant;
  },
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx) => ({
        scope: ctx.oidc.params?.scope ?? "",
        audience: settings.audience,
        accessTokenFormat: "jwt",
      }),
    },
  },
  formats: {
    customizers: {
      jwt(_, token, parts) {
        const { iss, iat, exp, jti, aud } = parts.payload;
        parts.header = { ...settings.header };
        parts.payload = { aud, jti, ...settings.tokens[token.accountId ?? token.clientId], iss, iat, exp };
      },
    },
  },
});

const answer = provider.callback();
const server = https.createServer(
  { cert: await readFile(settings.certificate), key: await readFile(settings.key) },
  (request, response) => {
    // Behaves as if it were mounted at the path of its URL.
    request.originalUrl = request.url;
    if (pathname !== "/") request.url = request.url.replace(pathname, "") || "/";
    answer(request, response);
  },
);
server.listen(Number(port), "127.0.0.1", () => console.log(settings.issuer));
