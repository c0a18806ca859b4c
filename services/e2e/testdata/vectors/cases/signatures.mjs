// Signed messages: MACs, digests with a secret, private keys, and detached JWS.
import { base64Secret, hexSecret, long, payment, pemFile, textSecret, tools } from './words.mjs';

const context = { timestamp: 1767225600, msg_id: 'msg_7', method: 'PUT', host: 'api.partner.example', path: '/v2/pay/ö', query: 'a=1&b=%20' };
function signed(id, tool, scheme, alg, secret, rest = {}) {
  const { plaintext = payment, secrets, legacy, ...profile } = rest;
  return {
    id, tool, plaintext, legacy, context, secrets: { s: secret, ...secrets },
    profile: { kind: 'sign', scheme, alg, ref: 's', input: '${body}', enc: 'hex', headers: { 'X-Signature': '${sig}' }, ...profile },
  };
}
const mac = (id, tool, alg, secret, rest) => signed(id, tool, 'mac', alg, secret, rest);
const digest = (id, tool, alg, input, rest) => signed(id, tool, 'digest', alg, textSecret('salt-7f3a'), { legacy: true, input, ...rest });
const asym = (id, tool, alg, key, rest) => signed(id, tool, 'asym', alg, pemFile(key), { enc: 'base64', ...rest });
const jws = (id, alg, secret, rest) => signed(id, tools.jose, 'jws_detached', alg, secret, { enc: undefined, headers: { 'x-jws-signature': '${jws}' }, ...rest });

export const signatures = [
  mac('hmac-sha1-hex', tools.openssl, 'HMAC-SHA1', textSecret('short'), { headers: { 'X-Hub-Signature': 'sha1=${sig}' } }),
  mac('hmac-sha384-base64url', tools.java, 'HMAC-SHA384', base64Secret('mac', 48), { enc: 'base64url' }),
  mac('hmac-sha512-base64', tools.hashlib, 'HMAC-SHA512', hexSecret('mac', 64), { enc: 'base64', plaintext: long }),
  mac('hmac-md5', tools.cryptojs, 'HMAC-MD5', textSecret('legacy'), { legacy: true }),
  mac('hmac-empty-body', tools.openssl, 'HMAC-SHA256', textSecret('a secret of the partner'), { plaintext: '' }),
  mac('hmac-all-of-the-request', tools.node, 'HMAC-SHA256', textSecret('a secret of the partner'), {
    input: '${method}\n${host}\n${path}?${query}\n${ts}\n${id}\n${body_sha256_hex}', enc: 'base64',
    headers: { 'X-Date': '${ts}', 'X-Request-Id': '${id}', 'X-Auth': 'HMAC-SHA256 keyId=k1,signature=${sig}' },
  }),
  mac('hmac-body-base64', tools.hashlib, 'HMAC-SHA256', textSecret('a secret of the partner'), { input: '${body_b64}.${ts}', headers: { 'X-Sig': '${sig}', 'X-Ts': '${ts}' } }),
  mac('hmac-upper-digest-of-body', tools.node, 'HMAC-SHA256', textSecret('a secret of the partner'), { input: 'POST|${body_sha256_hexupper}', enc: 'hexupper' }),
  mac('hmac-json-values', tools.node, 'HMAC-SHA256', textSecret('a secret of the partner'), {
    plaintext: '{"order":{"id":"o-1","lines":[{"n":2},{"n":3.5}]},"payment id":"p|1","ok":true}', input: "${json:$.order.id}|${json:$['payment id']}|${json:$.order.lines[1].n}|${json:$.ok}",
  }),
  mac('slack', tools.node, 'HMAC-SHA256', textSecret('8f742231b10e8888abcd99yyyzzz85a5'), { input: 'v0:${ts}:${body}', headers: { 'X-Slack-Signature': 'v0=${sig}', 'X-Slack-Request-Timestamp': '${ts}' } }),
  mac('stripe-two-keys', tools.node, 'HMAC-SHA256', textSecret('whsec_new'), {
    refs: ['s', 'before'], secrets: { before: textSecret('whsec_before') }, join: ',', input: '${ts}.${body}', headers: { 'Stripe-Signature': 't=${ts},v1=${sig}' },
  }),
  mac('webhooks-library', tools.webhooks, 'HMAC-SHA256', { value: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD', decode: 'whsec' }, {
    input: '${id}.${ts}.${body}', enc: 'base64', headers: { 'webhook-id': '${id}', 'webhook-timestamp': '${ts}', 'webhook-signature': 'v1,${sig}' },
  }),
  mac('hmac-body-template', tools.node, 'HMAC-SHA256', textSecret('a secret of the partner'), { input: '${body_b64}', body_template: '{"payload":"${body_b64}"}' }),
  mac('hmac-milliseconds', tools.node, 'HMAC-SHA256', textSecret('a secret of the partner'), { input: '${ts_ms}${body}', headers: { 'X-Time': '${ts_ms}', 'X-Sig': '${sig}' } }),

  digest('digest-sha256-suffix', tools.openssl, 'SHA256', '${body}${secret}'),
  digest('digest-sha512-both-ends', tools.hashlib, 'SHA512', '${secret}|${json:$.customerId}|${path}|${secret}', { enc: 'base64' }),
  digest('digest-sha384-upper', tools.java, 'SHA384', '${secret}${body_b64}', { enc: 'hexupper' }),
  digest('digest-md5', tools.cryptojs, 'MD5', '${body}&key=${secret}', { enc: 'hexupper' }),
  digest('digest-sha1', tools.hashlib, 'SHA1', '${secret}${ts}', { headers: { 'X-Ts': '${ts}', 'X-Sig': '${sig}' } }),

  asym('rsa-sha384', tools.openssl, 'RSA-SHA384', 'rsa2_priv'),
  asym('rsa-sha512-hex', tools.java, 'RSA-SHA512', 'rsa4096_priv', { enc: 'hex', input: '${method}\n${path}\n${ts}\n${id}\n${body}\n', headers: { 'X-Sig': '${sig}', 'X-Ts': '${ts}', 'X-Nonce': '${id}' } }),
  asym('rsa-sha1', tools.openssl, 'RSA-SHA1', 'rsa_pkcs1', { legacy: true }),
  asym('rsa-pss-sha256', tools.java, 'RSA-PSS-SHA256', 'rsa2_priv', { enc: 'base64url' }),
  asym('rsa-pss-sha512', tools.node, 'RSA-PSS-SHA512', 'rsa2_priv'),
  asym('ecdsa-p256-der', tools.openssl, 'ECDSA-SHA256', 'p256_priv'),
  asym('ecdsa-p256-p1363', tools.java, 'ECDSA-SHA256-P1363', 'p256_priv', { enc: 'hex' }),
  asym('ecdsa-p384-der', tools.java, 'ECDSA-SHA384', 'p384_priv'),
  asym('ed25519-webhook', tools.node, 'Ed25519', 'ed25519_priv', { input: '${id}.${ts}.${body}', headers: { 'webhook-id': '${id}', 'webhook-timestamp': '${ts}', 'webhook-signature': 'v1a,${sig}' } }),
  asym('ed25519-java', tools.java, 'Ed25519', 'ed25519_priv', { enc: 'hexupper' }),

  jws('jws-es256', 'ES256', pemFile('p256_priv'), { protected_header: { kid: 'ec-1' } }),
  jws('jws-ps256-unencoded', 'PS256', pemFile('rsa2_priv'), { b64: false }),
  jws('jws-eddsa', 'EdDSA', pemFile('ed25519_priv')),
  jws('jws-rs512', 'RS512', pemFile('rsa2_priv'), { headers: { 'X-Sig': 'JWS ${jws}' } }),
  jws('jws-hs256-unencoded', 'HS256', hexSecret('hs256', 32), { b64: false }),
  jws('jws-hs512-of-time-and-body', 'HS512', base64Secret('hs512', 64), { input: '${ts}.${body}', headers: { 'X-Ts': '${ts}', 'X-Sig': '${jws}' } }),
  { ...asym('rsa-sha256-of-the-partner', tools.openssl, 'RSA-SHA256', 'rsa2_pub'), direction: 'response', maker: { s: pemFile('rsa2_priv') } },
  { ...asym('ed25519-of-the-partner', tools.node, 'Ed25519', 'ed25519_pub'), direction: 'response', maker: { s: pemFile('ed25519_priv') } },
  { ...asym('ecdsa-of-the-partner', tools.node, 'ECDSA-SHA256', 'p256_pub'), direction: 'response', maker: { s: pemFile('p256_priv') } },
];
