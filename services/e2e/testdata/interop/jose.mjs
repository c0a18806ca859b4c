// JWE and JWS with npm's jose.
import crypto from 'node:crypto';
import * as jose from 'jose';
import { envelopeOf, openSelected, read, sealSelected, write } from './envelope.mjs';
import { bytesOf } from './cipher.mjs';
import { toolOf } from './tools.mjs';

const isKey = ({ decode }) => /pem/.test(decode);

async function keyOf(v, name, use) {
  const secret = v.secrets[name];
  if (isKey(secret)) return use === 'private' ? crypto.createPrivateKey(secret.value) : crypto.createPublicKey(secret.value);
  const { derive, alg, enc } = v.profile;
  const bytes = bytesOf(secret);
  if (!derive || derive.type === 'none' || v.profile.kind !== 'jwe') return bytes;
  if (derive.type === 'hkdf') {
    const bits = Number(/\d+/.exec(alg === 'dir' ? enc : alg)[0]) * (alg === 'dir' && /CBC/.test(enc) ? 2 : 1);
    return toolOf(v).hkdf(derive.hash, bytes, Buffer.alloc(0), derive.info ?? '', bits / 8);
  }
  const digest = await toolOf(v).digest(derive.hash, bytes);
  const text = !derive.form || derive.form === 'raw' ? digest : Buffer.from(digest.toString(derive.form));
  return text.subarray(0, derive.take || derive.len || text.length);
}

/** The plaintext of a profile with a nested JWS. */
export async function compactJWS(v, payload) {
  const { alg, ref } = v.profile.nested.jws;
  return new jose.CompactSign(payload).setProtectedHeader({ alg }).sign(await keyOf(v, ref, 'private'));
}
export async function openJWS(v, text) {
  const { alg, ref } = v.profile.nested.jws;
  return Buffer.from((await jose.compactVerify(text, await keyOf(v, ref, 'public'), { algorithms: [alg] })).payload);
}

const members = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'];
const flattened = (p) => Object.fromEntries(members.filter((m) => m !== 'encrypted_key' || !/^(dir|ECDH-ES)$/.test(p.alg)).map((m) => [m, `\${${m}}`]));
const general = (p) => {
  const { encrypted_key: key, ...rest } = flattened(p);
  return { ...rest, recipients: [key === undefined ? {} : { encrypted_key: key }] };
};
const shape = (p) => {
  const envelope = envelopeOf(p);
  if (p.serialization === 'general') return { ...envelope, json: general(p) };
  if (p.serialization === 'flattened' && !p.envelope?.json) return { ...envelope, json: flattened(p) };
  return p.envelope ? envelope : { text: '${jwe}' };
};

export const jwe = {
  make(v, body) {
    const p = v.profile;
    return sealSelected(p.select, body, async (text) => {
      if (p.nested) text = Buffer.from(await compactJWS(v, text));
      const protect = { ...p.protected_header, alg: p.alg, enc: p.enc };
      const compact = await new jose.CompactEncrypt(text).setProtectedHeader(protect).encrypt(await keyOf(v, p.ref ?? p.refs[0], 'public'));
      const texts = Object.fromEntries(compact.split('.').map((t, i) => [members[i], t]));
      return write(shape(p), { ...texts, jwe: compact });
    });
  },
  open(v, { body, headers }) {
    const p = v.profile;
    return openSelected(p.select, body, async (text) => {
      const found = read(shape(p), text, headers);
      const compact = found.jwe ?? members.map((m) => found[m] ?? '').join('.');
      const key = await keyOf(v, p.ref ?? p.refs[0], 'private');
      const { plaintext } = await jose.compactDecrypt(compact, key, { keyManagementAlgorithms: [p.alg], contentEncryptionAlgorithms: [p.enc] });
      return p.nested ? openJWS(v, Buffer.from(plaintext).toString()) : Buffer.from(plaintext);
    });
  },
};

// A body that is a JWS around the payload, as in Open Finance Brasil.
export const jws = {
  make(v, body) {
    const { alg, ref, protected_header: header, select } = v.profile;
    return sealSelected(select, body, async (text) => ({
      body: await new jose.CompactSign(text).setProtectedHeader({ ...header, alg }).sign(await keyOf(v, ref, 'private')), headers: {},
    }));
  },
  open(v, { body }) {
    const { alg, ref, select } = v.profile;
    return openSelected(select, body, async (text) => Buffer.from((await jose.compactVerify(text, await keyOf(v, ref, 'public'), { algorithms: [alg] })).payload));
  },
};

/** A detached JWS over bytes. */
export async function detachedJWS(v, name, payload) {
  const { alg, b64, protected_header: header } = v.profile;
  const protect = { ...header, alg, ...(b64 === false && { b64: false, crit: ['b64'] }) };
  const jws = await new jose.FlattenedSign(payload).setProtectedHeader(protect).sign(await keyOf(v, name, 'private'));
  return `${jws.protected}..${jws.signature}`;
}
export async function verifyDetachedJWS(v, name, text, payload) {
  const [header, , signature] = text.split('.');
  const { alg, b64 } = v.profile;
  const jws = { protected: header, signature, payload: b64 === false ? payload : payload.toString('base64url') };
  await jose.flattenedVerify(jws, await keyOf(v, name, 'public'), { algorithms: [alg] });
}
