// Makes foreign.json: messages that node:crypto and openssl made, for foreign_test.go.
//
//	node foreign.mjs > foreign.json
//
// Nothing here shares code with Keyward.
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';

const publicKey = crypto.createPublicKey(readFileSync(new URL('keys/rsa_priv.pem', import.meta.url), 'utf8'));
const plaintext = 'a message of two blocks, and a few bytes more';
const b64 = (...parts) => Buffer.concat(parts).toString('base64');
const oaep = bytes => crypto.publicEncrypt({ key: publicKey, oaepHash: 'sha256' }, bytes);
const pkcs1 = bytes => crypto.publicEncrypt({ key: publicKey, padding: crypto.constants.RSA_PKCS1_PADDING }, bytes);
const seal = (name, key, iv) => {
  const cipher = crypto.createCipheriv(name, key, iv);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return name.endsWith('gcm') ? Buffer.concat([sealed, cipher.getAuthTag()]) : sealed;
};
const messages = [];
for (const mode of ['cfb', 'ofb'])
  for (const bits of [128, 192, 256]) {
    const key = crypto.randomBytes(bits / 8), iv = crypto.randomBytes(16), name = `aes-${bits}-${mode}`;
    messages.push({ name, tool: 'node', key: key.toString('hex'), body: b64(iv, seal(name, key, iv)) });
    const sealed = execFileSync('openssl', ['enc', `-${name}`, '-K', key.toString('hex'), '-iv', iv.toString('hex')], { input: plaintext });
    messages.push({ name, tool: 'openssl', key: key.toString('hex'), body: b64(iv, sealed) });
  }
for (const [name, wrap] of Object.entries({ oaep, pkcs1 })) {
  const key = crypto.randomBytes(32), iv = crypto.randomBytes(16);
  messages.push({ name: `wrapped-iv-${name}`, tool: 'node', body: [wrap(key), wrap(iv), seal('aes-256-cbc', key, iv)].map(part => b64(part)).join('.') });
}
{
  const key = crypto.randomBytes(32), iv = crypto.randomBytes(12);
  const hash = crypto.createHash('sha256').update(key).digest();
  messages.push({ name: 'session-key-hash', tool: 'node', body: JSON.stringify({ key: b64(oaep(key)), hash: b64(hash), data: b64(iv, seal('aes-256-gcm', key, iv)) }) });
}
{
  const nonce = crypto.randomBytes(28), passphrase = 'correct horse';
  const key = crypto.pbkdf2Sync(passphrase, nonce.subarray(0, 16), 600000, 32, 'sha256');
  messages.push({ name: 'salt-suffix', tool: 'node', key: passphrase, body: b64(nonce, seal('aes-256-gcm', key, nonce.subarray(16))) });
}
process.stdout.write(JSON.stringify({ plaintext, messages }, null, 2) + '\n');
