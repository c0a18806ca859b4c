// Keys for one message, wrapped or agreed on, and RSA over complete bodies.
import { asText, base64Secret, blob, hexSecret, payment, pemFile, tools, xml } from './words.mjs';

const gcm = ['iv', 'ct', 'tag'];
const cbc = ['iv', 'ct'];
const keyAndData = (enc = 'base64', parts = gcm) => ({ json: { key: '${k}', data: '${c}' }, blobs: { k: blob(['wrapped_key'], enc), c: blob(parts, enc) } });

function session(id, tool, alg, key, wrap, rest = {}) {
  const { iv = { source: 'random' }, plaintext = payment, secrets, envelope = keyAndData(), legacy, ...profile } = rest;
  return {
    id, tool, plaintext, legacy, secrets: { rsa: pemFile('rsa_priv'), ...secrets },
    profile: { kind: 'cipher', content: { alg }, key: { session: key }, wrap: { ref: 'rsa', ...wrap }, iv, envelope, ...profile },
  };
}
const oaep = (hash, mgf, more) => ({ alg: 'RSA-OAEP', hash, mgf, ...more });

function agreed(id, curve, key, derive, alg, parts) {
  return {
    id, tool: tools.node, plaintext: payment, secrets: { ours: pemFile(key) },
    profile: { kind: 'cipher', content: { alg }, key: { ecdh: { curve, ref: 'ours', derive } }, iv: { source: 'random' }, envelope: asText(parts) },
  };
}
function direct(id, tool, wrap, rest = {}) {
  const { enc, ...more } = rest;
  return { id, tool, plaintext: '{"CORPID":"TESTCORP","URN":"₹"}', secrets: { rsa: pemFile('rsa_priv') }, profile: { kind: 'rsa_direct', wrap: { ref: 'rsa', ...wrap }, envelope: asText(['ct'], enc) }, ...more };
}

export const sessions = [
  session('session-oaep-sha1-base64-form', tools.forge, 'AES-256-GCM', { len: 32, form: 'base64' }, oaep('sha1', 'sha1')),
  session('session-oaep-sha384-hex-form', tools.java, 'AES-192-GCM', { len: 24, form: 'hex' }, oaep('sha384', 'sha384')),
  session('session-oaep-sha512-mgf-sha1-label', tools.openssl, 'AES-128-GCM', { len: 16, form: 'raw' }, oaep('sha512', 'sha1', { label: 'OAEP Encrypted' })),
  session('session-oaep-sha512', tools.node, 'CHACHA20-POLY1305', { len: 32 }, oaep('sha512', 'sha512'), { plaintext: xml }),
  session('session-oaep-sha1-mgf-sha256', tools.java, 'AES-256-GCM', { len: 32, form: 'ascii' }, oaep('sha1', 'sha256')),
  session('session-oaep-no-hash', tools.pyca, 'AES-256-GCM', { len: 32 }, { alg: 'RSA-OAEP' }),
  session('session-oaep-rsa-4096', tools.pyca, 'AES-256-GCM', { len: 32 }, oaep('sha256', 'sha256'), {
    secrets: { rsa: pemFile('rsa4096_priv') }, envelope: { text: '${c}', blobs: { c: blob(['wrapped_key', 'iv', 'ct', 'tag']) } },
  }),
  session('session-pkcs1-ascii', tools.openssl, 'AES-128-CBC', { len: 16, form: 'ascii' }, { alg: 'RSA-PKCS1V15' }, { legacy: true, envelope: keyAndData('base64', cbc) }),
  session('session-pkcs1-pem-of-pkcs1-ecb', tools.java, 'AES-256-ECB', { len: 32, form: 'raw' }, { alg: 'RSA-PKCS1V15' }, {
    legacy: true, secrets: { rsa: pemFile('rsa_pkcs1') }, iv: { source: 'none' }, envelope: keyAndData('hexupper', ['ct']),
  }),
  session('session-zero-iv-gcm', tools.node, 'AES-256-GCM', { len: 32 }, oaep('sha256', 'sha256'), { iv: { source: 'zero', len: 12 }, envelope: keyAndData('base64url', ['ct', 'tag']) }),
  session('session-aeskw-128', tools.java, 'AES-256-GCM', { len: 32 }, { alg: 'AES-KW', ref: 'kek' }, { secrets: { kek: hexSecret('kek', 16) } }),
  session('session-aeskw-192-hmac', tools.node, 'AES-128-CBC', { len: 16 }, { alg: 'AES-KW', ref: 'kek' }, {
    secrets: { kek: base64Secret('kek', 24), mac: base64Secret('mac', 32) }, mac: { alg: 'HMAC-SHA256', ref: 'mac', input: '${k}.${c}' },
    envelope: { text: '${k}.${c}.${m}', blobs: { k: blob(['wrapped_key']), c: blob(cbc), m: blob(['mac']) } },
  }),
  session('session-aeskw-256', tools.pyca, 'AES-256-GCM', { len: 32 }, { alg: 'AES-KW', ref: 'kek' }, { secrets: { kek: hexSecret('kek', 32) }, envelope: asText(['wrapped_key', ...gcm], 'base64url') }),
  session('session-text-hashed-to-16', tools.java, 'AES-128-GCM', { len: 32, form: 'ascii', derive: { type: 'digest', hash: 'sha256', take: 16 } }, oaep('sha256', 'sha256')),
  session('session-hkdf-key-and-iv', tools.node, 'AES-256-GCM', { len: 32, form: 'raw', derive: { type: 'hkdf', hash: 'sha256', info: 'content', yields: 'key+iv' } }, oaep('sha256', 'sha256'), {
    iv: { source: 'kdf', len: 12 }, envelope: keyAndData('base64', ['ct', 'tag']),
  }),
  session('session-in-headers', tools.openssl, 'AES-256-CBC', { len: 32, form: 'raw' }, oaep('sha256', 'sha256'), {
    legacy: true, iv: { source: 'random', len: 16 },
    envelope: {
      text: '${c}', blobs: { c: blob(['ct'], 'base64'), i: blob(['iv'], 'hex'), k: blob(['wrapped_key'], 'base64') },
      headers: { 'X-Client-Encryption-Iv': '${i}', 'X-Client-Encryption-Key': 'key ${k}', 'X-Version': '2' },
    },
  }),
  session('session-plaintext-prefix', tools.node, 'AES-256-CBC', { len: 32, form: 'ascii' }, { alg: 'RSA-PKCS1V15' }, {
    legacy: true, iv: { source: 'random', len: 16, placement: 'plaintext_prefix' }, envelope: keyAndData('base64', ['ct']),
  }),
  session('session-nested-es256', tools.node, 'AES-256-GCM', { len: 32 }, oaep('sha256', 'sha256'), { secrets: { sign: pemFile('p256_priv') }, nested: { jws: { alg: 'ES256', ref: 'sign' } } }),
  session('session-suffixes-of-a-field', tools.node, 'AES-256-GCM', { len: 32, form: 'raw' }, { alg: 'RSA-PKCS1V15' }, {
    legacy: true, plaintext: '{"Pid":{"ts":"2026-01-02T15:04:05","v":"Zoë"},"ver":2}', document: undefined,
    select: { mode: 'fields', paths: ['$.Pid.v'], value_form: 'json' },
    iv: { source: 'field_suffix', len: 12, path: '$.Pid.ts' }, aad: { source: 'field_suffix', len: 16, path: '$.Pid.ts' },
    envelope: { text: '${k}.${c}', blobs: { k: blob(['wrapped_key']), c: blob(['ct', 'tag']) } },
  }),

  agreed('ecdh-x25519-hkdf', 'X25519', 'x25519_priv', { type: 'hkdf', hash: 'sha256', info: 'agree', yields: 'key' }, 'AES-256-GCM', ['ephemeral', ...gcm]),
  agreed('ecdh-p256-hkdf-salt', 'P-256', 'p256_priv', { type: 'hkdf', hash: 'sha512', salt: 'part', salt_len: 32, yields: 'key' }, 'CHACHA20-POLY1305', ['ephemeral', 'salt', ...gcm]),
  agreed('ecdh-p256-digest-sec1', 'P-256', 'p256_sec1', { type: 'digest', hash: 'sha256', take: 16 }, 'AES-128-GCM', ['ephemeral', ...gcm]),

  direct('rsa-oaep-sha256', tools.openssl, oaep('sha256', 'sha256')),
  direct('rsa-oaep-sha1-label', tools.java, oaep('sha1', 'sha1', { label: 'partner' }), { enc: 'hex' }),
  direct('rsa-oaep-sha512-mgf-sha256', tools.pyca, oaep('sha512', 'sha256'), { enc: 'base64url' }),
  direct('rsa-pkcs1', tools.forge, { alg: 'RSA-PKCS1V15' }, { enc: 'base64', legacy: true }),
];
