// Messages that must be refused: changed vectors.
import { base64Secret, hexSecret, pemFile, textSecret } from './words.mjs';

/** Flips a bit of a byte in the string that a function finds in a body. */
export const flip = (text, encoding, at) => {
  const bytes = Buffer.from(text, encoding);
  bytes[at < 0 ? bytes.length + at : at] ^= 1;
  return bytes.toString(encoding);
};
export const inBody = (change) => (v) => { v.output.body = change(v.output.body, v); };
export const inJSON = (change) => inBody((body) => {
  const document = JSON.parse(body);
  return JSON.stringify(change(document) ?? document);
});
export const inHeader = (name, change) => (v) => {
  const value = change(v.output.headers[name]);
  if (value === undefined) delete v.output.headers[name];
  else v.output.headers[name] = value;
};
const inHeaderOfJWE = (change, also = () => {}) => inBody((body, v) => {
  const parts = body.split('.');
  const header = JSON.parse(Buffer.from(parts[0], 'base64url'));
  parts[0] = Buffer.from(change(header) ?? JSON.stringify(header)).toString('base64url');
  also(v, parts);
  return parts.join('.');
});
export const refuse = (id, from, why, change, other) => ({ id: `neg-${id}`, from, why, change, ...other });
// Messages that a lenient partner accepts and Keyward must refuse.
export const ours = { ours_to_refuse: true };

export const refused = [
  refuse('gcm-iv-flipped', 'aes128gcm-base64url', 'a bit of the IV', inBody((b) => flip(b, 'base64url', 0))),
  refuse('gcm-ciphertext-flipped', 'aes192gcm-hexupper', 'a bit of the ciphertext', inBody((b) => flip(b, 'hex', 15).toUpperCase())),
  refuse('gcm-aad-sent-changed', 'aes256gcm-aad-sent', 'other associated data', inJSON((d) => { d.a = 'order-8|₹'; })),
  refuse('gcm-short-tag-taken-for-long', 'aes256gcm-tag-12', 'the profile wants 16 bytes', (v) => { v.profile.content.tag_len = 16; v.requires_allow_legacy = false; }),
  refuse('gcm-other-key', 'aes256gcm-two-keys', 'none of the keys', (v) => { v.secrets.next = hexSecret('stranger', 32); }),
  refuse('chacha20-truncated', 'chacha20-no-options', 'the tag is cut', inBody((b) => Buffer.from(b, 'base64').subarray(0, -3).toString('base64'))),
  refuse('chacha20-static-iv', 'chacha20-no-options', 'a static IV would repeat: the configuration is refused', (v) => {
    v.profile.iv = { source: 'zero', len: 12 };
    v.profile.envelope.blobs.c.parts = ['ct', 'tag'];
  }),
  refuse('gcm-static-iv', 'aes256gcm-empty', 'a static IV would repeat: the configuration is refused', (v) => {
    v.profile.iv = { source: 'static', ref: 'iv', len: 12 };
    v.secrets.iv = hexSecret('iv', 12);
  }, ours),
  refuse('cbc-padding-broken', 'aes128cbc-hex', 'the last block opens to garbage', inBody((b) => flip(b, 'hex', -17))),
  refuse('cbc-one-block-short', 'aes256cbc-empty', 'only the IV is there', inBody((b) => b.slice(0, 32))),
  refuse('cbc-no-padding-half-block', 'aes192cbc-no-padding', 'not whole blocks', inBody((b) => b.slice(0, -16))),
  refuse('mac-flipped', 'aes192cbc-hmac-sha1', 'a bit of the MAC', inJSON((d) => { d.hmac = flip(d.hmac, 'hex', 0).toUpperCase(); })),
  refuse('mac-iv-swapped', 'aes192cbc-hmac-sha1', 'a bit of the IV, which the MAC covers', inJSON((d) => { d.iv = flip(d.iv, 'hex', 3); })),
  refuse('mac-header-missing', 'aes128cbc-hmac-sha384-in-header', 'no MAC', inHeader('X-Mac', () => undefined)),
  refuse('mac-truncated', 'aes256ctr-hmac-sha512-own-key', 'half a MAC', inBody((b) => b.slice(0, -40))),

  refuse('salt-changed', 'evp-sha256-salted', 'another salt, another key', inBody((b) => flip(b, 'base64', 9))),
  refuse('salted-too-short', 'evp-md5-aes128', 'no ciphertext', inBody((b) => Buffer.from(b, 'base64').subarray(0, 16).toString('base64'))),
  refuse('pbkdf2-other-iterations', 'pbkdf2-sha512-210000', 'as many iterations as the profile says', (v) => { v.profile.key.derive.iterations = 210001; }),
  refuse('hkdf-other-info', 'hkdf-sha512-salt-sent', 'another info', (v) => { v.profile.key.derive.info = 'payments v2'; }),

  refuse('oaep-label-missing', 'session-oaep-sha512-mgf-sha1-label', 'another label', (v) => { delete v.profile.wrap.label; }),
  refuse('pkcs1-key-garbage', 'session-pkcs1-ascii', 'the wrapped key is of nobody', inJSON((d) => { d.key = Buffer.alloc(256, 7).toString('base64'); })),
  refuse('pkcs1-key-short', 'session-pkcs1-ascii', 'the wrapped key is cut', inJSON((d) => { d.key = Buffer.from(d.key, 'base64').subarray(1).toString('base64'); }), ours),
  refuse('aeskw-flipped', 'session-aeskw-128', 'the wrapped key is changed', inJSON((d) => { d.key = flip(d.key, 'base64', 5); })),
  refuse('session-form-not-text', 'session-oaep-sha1-base64-form', 'what is wrapped is no base64', async (v, { make }) => {
    const raw = structuredClone(v);
    raw.profile.key.session.form = 'raw';
    v.output = await make(raw, v.plaintext);
  }),
  refuse('session-key-too-short', 'session-oaep-no-hash', 'a key of 16 bytes is wrapped', async (v, { make }) => {
    const short = structuredClone(v);
    short.profile.key.session.len = 16;
    short.profile.content.alg = 'AES-128-GCM';
    v.output = await make(short, v.plaintext);
  }, ours),
  refuse('ecdh-point-of-zeros', 'ecdh-x25519-hkdf', 'a point of small order', inBody((b) => Buffer.concat([Buffer.alloc(32), Buffer.from(b, 'base64').subarray(32)]).toString('base64'))),
  refuse('ecdh-point-not-on-curve', 'ecdh-p256-hkdf-salt', 'not a point', inBody((b) => flip(b, 'base64', 40))),
  refuse('rsa-other-hash', 'rsa-oaep-sha256', 'another hash', (v) => { v.profile.wrap.hash = 'sha1'; v.profile.wrap.mgf = 'sha1'; }),

  refuse('text-literal-changed', 'text-literals', 'v2 in the place of v1', inBody((b) => b.replace('v1', 'v2'))),
  refuse('text-end-missing', 'text-literals', 'the end is cut', inBody((b) => b.replace(';end', ''))),
  refuse('blob-literal-changed', 'blob-literals', 'another literal inside', inBody((b) => flip(b, 'base64', 2))),
  refuse('json-member-added', 'json-texts-around-blobs', 'a member that the template has not', inJSON((d) => { d.more = 1; })),
  refuse('json-number-changed', 'json-arrays-and-numbers', 'another number', inJSON((d) => { d.v = 2; })),
  refuse('json-member-twice', 'json-texts-around-blobs', 'a member twice', inBody((b) => b.replace('{', '{"unicode":"x",')), ours),
  refuse('json-not-json', 'json-in-base64', 'not JSON', (v) => { v.output.body = Buffer.from('{"i":').toString('base64'); }),
  refuse('json-of-other-type', 'json-array-document', 'a number in the place of a text', inJSON((d) => { d[0] = 7; })),
  refuse('base64-garbage', 'aes256gcm-tag-15', 'not hexadecimal', inBody((b) => `${b.slice(0, -2)}zz`)),
  refuse('hex-odd', 'text-hex-without-separators', 'an odd number of digits', inBody((b) => b.slice(0, -1))),
  refuse('header-missing', 'iv-and-tag-in-headers-hex', 'no tag', inHeader('X-Authentication-Tag', () => undefined)),
  refuse('header-empty', 'iv-and-tag-in-headers-hex', 'an empty IV', inHeader('X-Initialization-Vector', () => '')),

  refuse('field-in-the-clear', 'fields-default-form', 'a value that nobody encrypted must not pass', inJSON((d) => { d.items[1] = { sku: 'B' }; })),
  refuse('field-missing', 'fields-json-types', 'a selected value is away', inJSON((d) => { delete d.payer; }), ours),
  refuse('field-not-json-inside', 'fields-json-types', 'what opens is no JSON', async (v, { make }) => {
    const text = structuredClone(v);
    text.profile.select.value_form = 'string';
    v.output = await make(text, v.plaintext.replace('12.5', '"}{"'));
  }),
  refuse('body-too-deep', 'fields-json-types', 'nested without end', inBody(() => '['.repeat(100000))),
  refuse('form-field-in-the-clear', 'form-several', 'a value that nobody encrypted', inBody((b) => `${b}&cvv=123`)),
  refuse('object-missing', 'object-nested-as-document', 'nothing at the path', inJSON((d) => { delete d.outer.inner.secret; }), ours),

  refuse('jwe-pbes2-huge-count', 'jwe-a256kw', 'PBES2 with two thousand million iterations', inHeaderOfJWE((h) => { Object.assign(h, { alg: 'PBES2-HS256+A128KW', p2s: 'c2FsdHNhbHQ', p2c: 2147483647 }); })),
  refuse('jwe-alg-none', 'jwe-dir-a128gcm', 'alg none', inHeaderOfJWE((h) => { h.alg = 'none'; })),
  refuse('jwe-other-enc', 'jwe-dir-a128cbc-hs256', 'A256GCM, whose key is as long', inHeaderOfJWE((h) => { h.enc = 'A256GCM'; })),
  refuse('jwe-crit', 'jwe-a256kw', 'critical and not known', inHeaderOfJWE((h) => { h.crit = ['exp']; h.exp = 1; })),
  refuse('jwe-zip', 'jwe-dir-a128gcm', 'compressed', inHeaderOfJWE((h) => { h.zip = 'DEF'; })),
  refuse('jwe-alg-twice', 'jwe-a256kw', 'alg twice', inHeaderOfJWE((h) => `{"alg":"dir",${JSON.stringify(h).slice(1)}`)),
  refuse('jwe-encrypted-key-with-dir', 'jwe-dir-a192gcm', 'dir has none', inBody((b) => b.replace('..', '.AAAA.'))),
  refuse('jwe-tag-cut', 'jwe-dir-a128cbc-hs256', 'half a tag', inBody((b) => b.slice(0, -10))),
  refuse('jwe-six-parts', 'jwe-dir-a128gcm', 'a part too many', inBody((b) => `${b}.AAAA`)),
  refuse('jwe-epk-of-other-curve', 'jwe-ecdh-es-p256-a128cbc-hs256', 'a key of P-384', inHeaderOfJWE((h) => { h.epk.crv = 'P-384'; })),
  refuse('jwe-epk-not-on-curve', 'jwe-ecdh-es-a128kw', 'not a point', inHeaderOfJWE((h) => { h.epk.x = flip(h.epk.x, 'base64url', 4); })),
  refuse('jwe-header-is-no-json', 'jwe-a128gcmkw', 'no JSON', inHeaderOfJWE(() => '{"alg"')),
  refuse('jwe-nested-other-signer', 'jwe-nested-ps256', 'signed by somebody else', (v) => { v.secrets.sign = pemFile('rsa_priv'); }),
  refuse('jwe-nested-other-alg', 'jwe-nested-es256', 'another algorithm inside', (v) => { v.profile.nested.jws.alg = 'HS256'; v.secrets.sign = hexSecret('hs', 32); }),
  refuse('jwe-flattened-unprotected', 'jwe-flattened-dir', 'a member that is not in the profile', inJSON((d) => { d.header = { alg: 'dir' }; }), ours),
  refuse('pgp-other-key', 'pgp-rsa', 'not our key', (v) => { v.secrets.pgp = { value: 'keys/pgp_ecc_priv.asc', decode: 'pgpfile' }; }),
  refuse('pgp-armor-broken', 'pgp-curve25519', 'a character of the armor', inBody((b) => b.replace(/\n\n(.)/, (m, c) => `\n\n${c === 'h' ? 'g' : 'h'}`))),

  refuse('signature-empty', 'hmac-sha1-hex', 'no digits', inHeader('X-Hub-Signature', () => 'sha1=')),
  refuse('signature-missing', 'hmac-sha512-base64', 'no header', inHeader('X-Signature', () => undefined)),
  refuse('signature-other-prefix', 'slack', 'v1 in the place of v0', inHeader('X-Slack-Signature', (h) => h.replace('v0=', 'v1='))),
  refuse('signature-too-old', 'slack', 'ten minutes later', (v) => { v.context.timestamp += 600; }, ours),
  refuse('signature-other-method', 'hmac-all-of-the-request', 'DELETE', (v) => { v.context.method = 'DELETE'; }),
  refuse('signature-other-query', 'hmac-all-of-the-request', 'another query', (v) => { v.context.query = 'a=2'; }),
  refuse('signature-other-time', 'stripe-two-keys', 'a time that is not signed', inHeader('Stripe-Signature', (h) => h.replace('t=1767225600', 't=1767225601'))),
  refuse('signature-of-stranger', 'stripe-two-keys', 'other keys', (v) => { v.secrets.s = textSecret('whsec_1'); v.secrets.before = textSecret('whsec_2'); }),
  refuse('signature-json-value-changed', 'hmac-json-values', 'another order', (v) => { v.plaintext = v.plaintext.replace('o-1', 'o-2'); v.output.body = v.plaintext; }),
  refuse('signature-json-gone', 'hmac-json-values', 'no JSON any more', (v) => { v.plaintext = 'no JSON'; v.output.body = v.plaintext; }),
  refuse('signature-json-value-missing', 'hmac-json-values', 'a value is away', (v) => { v.plaintext = v.plaintext.replace('"ok"', '"ko"'); v.output.body = v.plaintext; }),
  refuse('gcm-key-too-short', 'aes256gcm-empty', 'a key of 31 bytes: the configuration is refused', (v) => { v.secrets.key = hexSecret('short', 31); }),
  refuse('gcm-text-key-too-short', 'aes256gcm-empty', 'a text of 31 characters', (v) => { v.secrets.key = textSecret('thirty-one characters, not one more'.slice(0, 31)); }),
  refuse('cbc-static-iv-too-short', 'aes128cbc-static-text-iv', 'an IV of 15 characters', (v) => { v.secrets.iv = textSecret('abcdef987654321'); }, ours),
  refuse('signature-body-template-changed', 'hmac-body-template', 'another payload', inJSON((d) => { d.payload = flip(d.payload, 'base64', 3); })),
  refuse('signature-ecdsa-flipped', 'ecdsa-p256-der', 'a bit of s', inHeader('X-Signature', (h) => flip(h, 'base64', -1))),
  refuse('signature-pss-as-pkcs1', 'rsa-pss-sha256', 'another padding', (v) => { v.profile.alg = 'RSA-SHA256'; }),
  refuse('signature-other-ed25519-body', 'ed25519-of-the-partner', 'another body', (v) => { v.plaintext += ' '; v.output.body = v.plaintext; }),
  refuse('jws-alg-confusion', 'jws-rs512', 'HS256 with the public key as secret', async (v, { make }) => {
    const forged = structuredClone(v);
    forged.profile.alg = 'HS256';
    forged.secrets.s = base64Secret('guess', 32);
    v.output = await make(forged, v.plaintext);
  }),
  refuse('jws-attached', 'jws-es256', 'with the payload inside', inHeader('x-jws-signature', (h) => h.replace('..', '.e30.')), ours),
];
