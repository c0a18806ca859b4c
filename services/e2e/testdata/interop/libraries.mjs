// The high-level calls of partners' libraries, where a library creates or opens complete messages.
import { createRequire } from 'node:module';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import crypto from 'node:crypto';
import CryptoJS from 'crypto-js';
import { Webhook } from 'standardwebhooks';

const require = createRequire(import.meta.url);

// CryptoJS with a passphrase; its output is base64 of `Salted__`, salt, and ciphertext.
const passphrase = {
  fits: (v) => /crypto-js/.test(v.tool) && v.profile.key?.derive?.type === 'evp_bytes_to_key' && v.profile.key.derive.hash === 'md5' && !v.profile.envelope.json,
  make: (v, body) => ({ body: CryptoJS.AES.encrypt(body, v.secrets[v.profile.key.ref].value).toString() }),
  open: (v, { body }) => CryptoJS.AES.decrypt(body, v.secrets[v.profile.key.ref].value).toString(CryptoJS.enc.Utf8),
};

// CryptoJS with a passphrase and the format that PHP's readers know.
const formatter = {
  stringify: (p) => JSON.stringify({ ct: p.ciphertext.toString(CryptoJS.enc.Base64), iv: p.iv.toString(), s: p.salt.toString() }),
  parse(text) {
    const { ct, iv, s } = JSON.parse(text);
    const hex = CryptoJS.enc.Hex;
    return CryptoJS.lib.CipherParams.create({ ciphertext: CryptoJS.enc.Base64.parse(ct), iv: hex.parse(iv), salt: hex.parse(s) });
  },
};
const formatted = {
  fits: (v) => /crypto-js/.test(v.tool) && v.profile.key?.derive?.hash === 'md5' && v.profile.envelope.json?.s,
  make: (v, body) => ({ body: CryptoJS.AES.encrypt(body, v.secrets[v.profile.key.ref].value, { format: formatter }).toString() }),
  open: (v, { body }) => CryptoJS.AES.decrypt(body, v.secrets[v.profile.key.ref].value, { format: formatter }).toString(CryptoJS.enc.Utf8),
};

// openssl enc with a passphrase, on one line or with its own line breaks.
const { run } = await import('./tools.mjs');
const enc = {
  fits: (v) => /^openssl/.test(v.tool) && v.profile.envelope?.blobs?.c?.parts[0] === 'lit:Salted__' && !/hex/.test(v.profile.envelope.blobs.c.enc),
  args(v) {
    const lines = v.profile.envelope.blobs.c.enc === 'base64_mime' ? [] : ['-A'];
    const { type, hash, iterations } = v.profile.key.derive;
    const kdf = type === 'pbkdf2' ? ['-pbkdf2', '-iter', String(iterations)] : [];
    return ['enc', `-${v.profile.content.alg.toLowerCase()}`, '-md', hash, ...kdf, '-base64', ...lines, '-pass', `pass:${v.secrets[v.profile.key.ref].value}`];
  },
  make(v, body) { return { body: run(body, 'openssl', ...this.args(v), '-salt').toString() }; },
  open(v, { body }) { return run(`${body}\n`, 'openssl', ...this.args(v), '-d').toString(); },
};

/** Provides the key and certificate to Mastercard's library as temporary files. */
function mastercard(v, use) {
  const folder = mkdtempSync(join(tmpdir(), 'mastercard-'));
  const put = (name, text) => (writeFileSync(join(folder, name), text), join(folder, name));
  try {
    const ref = v.profile.wrap?.ref ?? v.profile.ref;
    const files = { encryptionCertificate: put('certificate.pem', v.secrets.certificate.value), privateKey: put('key.pem', pkcs8(v.secrets[ref].value)) };
    return use(files);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
const pkcs8 = (pem) => crypto.createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' });
const jsonOnly = { 'Content-Type': 'application/json' };

// Field-level encryption: Mastercard's five members replace the object at a path.
const fle = {
  fits: (v) => /mastercard/.test(v.tool) && v.profile.kind === 'cipher' && v.secrets.certificate,
  service(v, files) {
    const { FieldLevelEncryption } = require('mastercard-client-encryption');
    const path = v.profile.select.path.slice(2);
    const paths = [{ path: '/.*', toEncrypt: [{ element: path, obj: path.split('.').slice(0, -1).join('.') }], toDecrypt: [{ element: path, obj: path }] }];
    const names = Object.fromEntries(Object.entries(v.profile.envelope.json).map(([name, t]) => [t, name]));
    return new FieldLevelEncryption({
      paths, ...files, dataEncoding: v.profile.envelope.blobs.c.enc, ivFieldName: names['${i}'], encryptedKeyFieldName: names['${k}'],
      encryptedValueFieldName: names['${c}'], oaepPaddingDigestAlgorithm: `SHA-${v.profile.wrap.hash.slice(3)}`, oaepHashingAlgorithmFieldName: 'oaepHashingAlgorithm',
      publicKeyFingerprintFieldName: 'publicKeyFingerprint', publicKeyFingerprintType: 'certificate',
    });
  },
  make(v, body) {
    return mastercard(v, (files) => {
      const { body: out } = this.service(v, files).encrypt('/x', jsonOnly, JSON.parse(body));
      const path = v.profile.select.path.slice(2).split('.');
      // The library puts its members next to the element; the profile replaces the element.
      return { body: JSON.stringify(inPlace(out, path)) };
    });
  },
  open(v, { body }) {
    return mastercard(v, (files) => JSON.stringify(this.service(v, files).decrypt({ request: { url: '/x' }, header: jsonOnly, body: JSON.parse(body) })));
  },
};
function inPlace(document, path) {
  const holder = path.slice(0, -1).reduce((d, name) => d[name], document);
  const written = ['encryptedData', 'iv', 'encryptedKey', 'publicKeyFingerprint', 'oaepHashingAlgorithm'];
  holder[path.at(-1)] = Object.fromEntries(written.map((name) => [name, holder[name]]));
  for (const name of written) delete holder[name];
  return document;
}

const mastercardJWE = {
  fits: (v) => /mastercard/.test(v.tool) && v.profile.kind === 'jwe' && v.secrets.certificate,
  service(files) {
    const { JweEncryption } = require('mastercard-client-encryption');
    return new JweEncryption({
      mode: 'JWE', paths: [{ path: '/.*', toEncrypt: [{ element: '$', obj: '$' }], toDecrypt: [{ element: 'encryptedData', obj: '$' }] }],
      ...files, encryptedValueFieldName: 'encryptedData', dataEncoding: 'base64', publicKeyFingerprintType: 'certificate',
    });
  },
  make(v, body) {
    return mastercard(v, (files) => ({ body: JSON.stringify(this.service(files).encrypt('/x', jsonOnly, JSON.parse(body)).body) }));
  },
  open(v, { body }) {
    return mastercard(v, (files) => JSON.stringify(this.service(files).decrypt({ request: { url: '/x' }, header: jsonOnly, body: JSON.parse(body) })));
  },
};

const webhooks = {
  fits: (v) => /standardwebhooks/.test(v.tool) && !v.profile.join,
  make(v, body) {
    const { msg_id: id, timestamp } = v.context;
    const signature = new Webhook(v.secrets[v.profile.ref].value).sign(id, new Date(timestamp * 1000), body);
    return { body, headers: { 'webhook-id': id, 'webhook-timestamp': String(timestamp), 'webhook-signature': signature } };
  },
  open(v, { body, headers }) {
    // The library accepts only current messages; the time of the test is different.
    const clock = Date.now;
    Date.now = () => v.context.timestamp * 1000;
    try {
      new Webhook(v.secrets[v.profile.ref].value).verify(body, headers);
    } finally {
      Date.now = clock;
    }
    return body;
  },
};

/** The library that creates and opens complete messages of a vector's kind; undefined if there is no such library. */
export const libraryOf = (v) => [passphrase, formatted, enc, fle, mastercardJWE, webhooks].find((library) => library.fits(v));
