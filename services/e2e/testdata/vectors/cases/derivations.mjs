// Keys derived from passphrases and shared secrets.
import { asText, base64Secret, blob, hexSecret, payment, textSecret, tools, xml } from './words.mjs';

function derived(id, tool, alg, derive, parts, rest = {}) {
  const { iv = { source: 'random' }, plaintext = payment, secrets, envelope, ...more } = rest;
  return {
    id, tool, plaintext, secrets: { pass: textSecret('correct horse battery staple'), ...secrets },
    profile: { kind: 'cipher', content: { alg }, key: { ref: 'pass', derive }, iv, envelope: envelope ?? asText(parts) },
    ...more,
  };
}
const gcm = ['iv', 'ct', 'tag'];
const cbc = ['iv', 'ct'];
const legacy = { legacy: true };
const kdf = (len) => ({ iv: { source: 'kdf', len } });
const salted = ['lit:Salted__', 'salt', 'ct'];

export const derivations = [
  derived('digest-sha256-hex-take-32', tools.openssl, 'AES-256-CBC', { type: 'digest', hash: 'sha256', form: 'hex', take: 32 }, cbc, legacy),
  derived('digest-sha256-base64-take-32', tools.hashlib, 'AES-256-CBC', { type: 'digest', hash: 'sha256', form: 'base64', take: 32 }, cbc, {
    ...legacy, envelope: asText(cbc, 'hex'),
  }),
  derived('digest-md5-hex', tools.cryptojs, 'AES-256-CBC', { type: 'digest', hash: 'md5', form: 'hex' }, cbc, {
    ...legacy, secrets: { pass: textSecret('user~:~password') },
    iv: { source: 'random_ascii', len: 16 }, envelope: { text: '${i}${c}', blobs: { i: blob(['iv'], 'utf8'), c: blob(['ct']) } },
  }),
  derived('digest-sha1-take-16', tools.openssl, 'AES-128-ECB', { type: 'digest', hash: 'sha1', form: 'raw', take: 16 }, ['ct'], { ...legacy, iv: { source: 'none' } }),
  derived('digest-sha384-take-24', tools.java, 'AES-192-GCM', { type: 'digest', hash: 'sha384', take: 24 }, gcm),
  derived('digest-sha512-take-32', tools.node, 'AES-256-GCM', { type: 'digest', hash: 'sha512', form: 'raw', take: 32 }, gcm, { secrets: { pass: hexSecret('sha512', 20) } }),
  derived('digest-sha256-of-short-secret', tools.pyca, 'CHACHA20-POLY1305', { type: 'digest', hash: 'sha256' }, gcm, { secrets: { pass: textSecret('x') } }),
  derived('digest-md5-3des', tools.java, '3DES-ECB', { type: 'digest', hash: 'md5', form: 'hex', take: 24 }, ['ct'], { ...legacy, iv: { source: 'none' } }),

  derived('evp-sha256-salted', tools.openssl, 'AES-256-CBC', { type: 'evp_bytes_to_key', hash: 'sha256', iterations: 1, salt: 'part', salt_len: 8, yields: 'key+iv' }, salted, { ...legacy, ...kdf(16) }),
  derived('evp-md5-aes128', tools.openssl, 'AES-128-CBC', { type: 'evp_bytes_to_key', hash: 'md5', salt: 'part', salt_len: 8, yields: 'key+iv' }, salted, { ...legacy, ...kdf(16) }),
  derived('evp-sha512-salted', tools.openssl, 'AES-192-CBC', { type: 'evp_bytes_to_key', hash: 'sha512', iterations: 1, salt: 'part', salt_len: 8, yields: 'key+iv' }, salted, { ...legacy, ...kdf(16) }),
  derived('evp-md5-cryptojs', tools.cryptojs, 'AES-256-CBC', { type: 'evp_bytes_to_key', hash: 'md5', iterations: 1, salt: 'part', salt_len: 8, yields: 'key+iv' }, salted, { ...legacy, ...kdf(16), plaintext: xml }),
  derived('evp-sha1-salted-ctr', tools.openssl, 'AES-256-CTR', { type: 'evp_bytes_to_key', hash: 'sha1', iterations: 1, salt: 'part', salt_len: 8, yields: 'key+iv' }, salted, { ...legacy, ...kdf(16) }),
  derived('evp-sha256-1000-json-ct-s', tools.cryptojs, 'AES-256-CBC', { type: 'evp_bytes_to_key', hash: 'sha256', iterations: 1000, salt: 'part', salt_len: 8, yields: 'key+iv' }, [], {
    ...legacy, ...kdf(16), envelope: { json: { ct: '${c}', s: '${s}' }, blobs: { c: blob(['ct']), s: blob(['salt'], 'hex') } },
  }),
  derived('evp-md5-json-ct-iv-s', tools.cryptojs, 'AES-256-CBC', { type: 'evp_bytes_to_key', hash: 'md5', iterations: 1, salt: 'part', salt_len: 8, yields: 'key+iv' }, [], {
    ...legacy, ...kdf(16), envelope: { json: { ct: '${c}', iv: '${i}', s: '${s}' }, blobs: { c: blob(['ct']), i: blob(['iv'], 'hex'), s: blob(['salt'], 'hex') } },
  }),

  derived('pbkdf2-sha1-1000', tools.hashlib, 'AES-128-CBC', { type: 'pbkdf2', hash: 'sha1', iterations: 1000, salt: 'part', salt_len: 16, yields: 'key' }, ['salt', 'iv', 'ct'], legacy),
  derived('pbkdf2-sha256-600000-key-and-iv', tools.node, 'AES-256-GCM', { type: 'pbkdf2', hash: 'sha256', iterations: 600000, salt: 'part', salt_len: 16, yields: 'key+iv' }, ['salt', 'ct', 'tag'], kdf(12)),
  derived('pbkdf2-sha512-210000', tools.java, 'AES-256-GCM', { type: 'pbkdf2', hash: 'sha512', iterations: 210000, salt: 'part', salt_len: 32, yields: 'key' }, ['salt', ...gcm], legacy),
  derived('pbkdf2-sha384-static-salt', tools.hashlib, 'AES-192-GCM', { type: 'pbkdf2', hash: 'sha384', iterations: 600000, salt: 'ref:salt', yields: 'key' }, gcm, {
    ...legacy, secrets: { salt: base64Secret('salt', 16) },
  }),
  derived('pbkdf2-openssl-salted-600000', tools.openssl, 'AES-256-CBC', { type: 'pbkdf2', hash: 'sha512', iterations: 600000, salt: 'part', salt_len: 8, yields: 'key+iv' }, salted, { ...legacy, ...kdf(16) }),
  derived('pbkdf2-key-and-iv-static-salt', tools.cryptojs, 'AES-128-CBC', { type: 'pbkdf2', hash: 'sha256', iterations: 1000, salt: 'ref:salt', yields: 'key+iv' }, ['ct'], {
    ...legacy, ...kdf(16), secrets: { salt: textSecret('static salt text') },
  }),

  derived('scrypt-salt-sent', tools.hashlib, 'AES-256-GCM', { type: 'scrypt', n: 16384, r: 8, p: 1, salt: 'part', salt_len: 16, yields: 'key' }, ['salt', ...gcm]),
  derived('scrypt-weak-static-salt', tools.node, 'AES-128-GCM', { type: 'scrypt', n: 1024, r: 4, p: 2, salt: 'ref:salt', yields: 'key' }, gcm, { ...legacy, secrets: { salt: textSecret('NaCl') } }),
  derived('scrypt-default-r-p', tools.node, 'CHACHA20-POLY1305', { type: 'scrypt', n: 32768, salt: 'part', salt_len: 8, yields: 'key' }, ['salt', ...gcm]),

  derived('hkdf-sha512-salt-sent', tools.node, 'AES-256-GCM', { type: 'hkdf', hash: 'sha512', salt: 'part', salt_len: 32, info: 'payments v1', yields: 'key' }, ['salt', ...gcm], { secrets: { pass: base64Secret('hkdf', 32) } }),
  derived('hkdf-sha256-no-salt', tools.pyca, 'AES-128-GCM', { type: 'hkdf', hash: 'sha256', info: '₹', len: 16, yields: 'key' }, gcm, { secrets: { pass: base64Secret('hkdf', 32) } }),
  derived('hkdf-sha1-key-and-iv', tools.node, 'AES-192-GCM', { type: 'hkdf', hash: 'sha1', salt: 'part', salt_len: 16, yields: 'key+iv' }, ['salt', 'ct', 'tag'], { ...kdf(12), secrets: { pass: hexSecret('hkdf', 24) } }),
  derived('hkdf-sha384-no-info', tools.pyca, 'AES-256-CBC', { type: 'hkdf', hash: 'sha384', salt: 'ref:salt', yields: 'key' }, cbc, {
    ...legacy, secrets: { pass: base64Secret('hkdf', 48), salt: hexSecret('salt', 7) },
  }),
];
