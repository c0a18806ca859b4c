// Messages that must be refused, from the cases in lines and in pairs.
import { flip, inBody, inHeader, inJSON, ours, refuse } from './refused.mjs';
import { base64Secret, hexSecret, pemFile } from './words.mjs';

const inBytes = (encoding, change) => inBody((b) => change(Buffer.from(b, encoding)).toString(encoding));
const asLines = (v) => { for (const b of Object.values(v.profile.envelope.blobs)) if (b.enc === 'base64_mime') b.enc = 'base64'; };

export const refusedPairs = [
  refuse('lines-blank-inside', 'lines-java-gcm', 'a blank at the end of a line', inBody((b) => b.replace('\r\n', ' \r\n')), ours),
  refuse('lines-two-alphabets', 'lines-openssl-cbc', 'both alphabets in one string', (v) => { asLines(v); v.output.body = v.output.body.replace('/', '_'); }, ours),
  refuse('lines-base64url', 'lines-python-gcm', 'another alphabet', inBody((b) => `-_${b.slice(2)}`)),
  refuse('lines-one-missing', 'lines-java-json', 'a line of the ciphertext is away', inJSON((d) => { d.data = d.data.slice(78); })),
  refuse('lines-alone', 'lines-openssl-salted', 'line ends and nothing else', inBody(() => '\r\n'.repeat(20000))),
  refuse('lines-mac-over-other-lines', 'lines-java-mac-over-the-text', 'the text that the MAC is over was broken anew', inJSON((d) => { d.data = d.data.replaceAll('\r\n', '\n'); })),
  refuse('lines-flipped', 'lines-python-text-with-literals', 'a bit of the tag', inBody((b) => `${b.slice(0, -32)}${flip(b.slice(-32), 'hex', 2)}`)),

  refuse('pair-ctr-mac-flipped', 'pair-ctr256-session-pkcs1-mac-sha256', 'a bit of the ciphertext under a MAC', inBody((b) => {
    const [k, c, m] = b.split('|');
    return [k, flip(c, 'base64', 20), m].join('|');
  })),
  refuse('pair-ctr-mac-other-wrapped-key', 'pair-ctr256-session-pkcs1-mac-sha256', 'another wrapped key before a good MAC', inBody((b) => {
    const [k, c, m] = b.split('|');
    return [flip(k, 'hex', -1), c, m].join('|');
  })),
  refuse('pair-chacha20-salt-changed', 'pair-chacha20-hkdf-sha384-salt-sent', 'another salt', inJSON((d) => { d.s = flip(d.s, 'base64url', 5); })),
  refuse('pair-aeskw-flipped', 'pair-128gcm-aeskw-hex-form-object', 'a bit of the wrapped key', inJSON((d) => { d.s.k = flip(d.s.k, 'base64url', 9); })),
  refuse('pair-aeskw-other-kek', 'pair-128gcm-aeskw-hex-form-object', 'another wrapping key', (v) => { v.secrets.kek = hexSecret('stranger', 16); }),
  refuse('pair-x25519-low-order', 'pair-chacha20-ecdh-x25519-hkdf-iv', 'an ephemeral key of low order', inJSON((d) => { d.e = Buffer.alloc(32).toString('base64url'); })),
  refuse('pair-p256-off-the-curve', 'pair-256cbc-p256-digest-sha384', 'a point that is none', inBody((b) => `${flip(b.slice(0, 130), 'hex', 40)}${b.slice(130)}`)),
  refuse('pair-ephemeral-header-missing', 'pair-192gcm-ecdh-x25519-in-header-object', 'no ephemeral key', inHeader('X-Ephemeral', () => undefined)),
  refuse('pair-aad-suffix-changed', 'pair-256gcm-aad-suffix-shared-fields', 'the field that is authenticated says another time', inJSON((d) => { d.head.ts = d.head.ts.replace('04', '05'); })),
  refuse('pair-aad-suffix-short', 'pair-chacha20-aad-suffix-object', 'the field that is authenticated is too short', inJSON((d) => { d.head.ts = 'Z'; })),
  refuse('pair-values-swapped-key', 'pair-128gcm-16-byte-iv-digest-fields', 'another secret', (v) => { v.secrets.p = base64Secret('stranger', 20); }),
  refuse('pair-tag-12-cut', 'pair-256gcm-tag-12-session-oaep-sha1', 'eleven bytes of the tag', inJSON((d) => { d.d = d.d.slice(0, -26) + d.d.slice(-24); })),
  refuse('pair-tag-13-flipped', 'pair-192gcm-tag-13-hkdf-static-salt', 'a bit of the short tag', inBytes('base64url', (b) => { b[13] ^= 4; return b; })),
  refuse('pair-mgf-swapped', 'pair-192cbc-oaep-sha384-mgf-sha256-label', 'MGF1 with the hash of OAEP', (v) => { v.profile.wrap.mgf = 'sha384'; }),
  refuse('pair-nested-es384-flipped', 'pair-256gcm-nested-es384-fields', 'signed by another key', (v) => { v.secrets.sign = pemFile('p256_priv'); v.profile.nested.jws.alg = 'ES256'; }),
  refuse('pair-jwe-enc-swapped', 'pair-jwe-a256gcmkw-a192gcm-flattened', 'another content encryption', (v) => { v.profile.enc = 'A256GCM'; }),
  refuse('pair-jwe-alg-swapped', 'pair-jwe-ecdh-es-a256kw-p384-a128cbc', 'another key management', (v) => { v.profile.alg = 'ECDH-ES+A128KW'; }),
  refuse('pair-jwe-tag-cut', 'pair-jwe-ecdh-es-p384-a192cbc-flattened', 'half of the tag', inJSON((d) => { d.tag = d.tag.slice(0, 16); })),
  refuse('pair-jwe-nested-hs512-other-key', 'pair-jwe-a128gcmkw-a256cbc-nested-hs512', 'signed with another key', (v) => { v.secrets.sign = base64Secret('stranger', 64); }),
  refuse('pair-jwe-other-derivation', 'pair-jwe-dir-a256cbc-of-hkdf-form', 'another info', (v) => { v.profile.derive.info = 'jws'; }),
  refuse('pair-jws-attached-other-alg', 'pair-jws-attached-ps256', 'RS256 in the place of PS256', async (v, { make }) => {
    const forged = structuredClone(v);
    forged.profile.alg = 'RS256';
    v.output = await make(forged, v.plaintext);
  }),
  refuse('pair-jws-attached-none', 'pair-jws-attached-ps256', 'no algorithm', inBody((b) => [Buffer.from('{"alg":"none"}').toString('base64url'), b.split('.')[1], ''].join('.'))),
  refuse('pair-jwe-general-two', 'pair-jwe-general-a256kw', 'two recipients', inJSON((d) => { d.recipients.push(d.recipients[0]); }), ours),
  refuse('pair-field-missing', 'pair-256gcm-field-as-document', 'the field to encrypt is missing: the body is not sent', (v) => {
    v.plaintext = '{"head":{"ts":"x"},"rows":[]}';
    v.output = { body: '', headers: {} };
  }, { direction: 'request' }),
  refuse('pair-blocks-missing', 'pair-128ecb-digest-md5-fields-no-padding', 'not whole blocks: the body is not sent', (v) => {
    v.plaintext = '["0123456789"]';
    v.output = { body: '', headers: {} };
  }, { direction: 'request' }),
  refuse('pair-jws-b64-swapped', 'pair-jws-eddsa-unencoded', 'the payload encoded', (v) => { v.profile.b64 = true; }),
  refuse('pair-jws-es384-flipped', 'pair-jws-es384-unencoded', 'a bit of the signature', inHeader('x-jws-signature', (h) => {
    const [header, , signature] = h.split('.');
    return `${header}..${flip(signature, 'base64url', 3)}`;
  })),
  refuse('pair-stripe-stale', 'pair-stripe-whsec-text', 'six minutes later', (v) => { v.context.timestamp += 360; }, ours),
  refuse('pair-webhooks-other-id', 'pair-webhooks-three-keys', 'another message id', inHeader('webhook-id', () => 'msg_8')),
  refuse('pair-ecdsa-p384-other-curve', 'pair-ecdsa-p384-url', 'a key of P-256', (v) => { v.secrets.s = pemFile('p256_priv'); v.profile.alg = 'ECDSA-SHA256'; }),
];
