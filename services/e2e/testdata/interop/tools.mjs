// The tools that partners use, behind one interface. Node's crypto implements all of it; other tools replace the parts
// that they offer. None shares code with Keyward.
import crypto from 'node:crypto';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import CryptoJS from 'crypto-js';
import forge from 'node-forge';

/** Runs a program and returns what it printed. */
export function run(input, program, ...args) {
  return execFileSync(program, args, { input, maxBuffer: 1 << 28, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Provides the given contents to a function as temporary files. */
function withFiles(contents, use) {
  const folder = mkdtempSync(join(tmpdir(), 'partner-'));
  try {
    return use(...contents.map((content, i) => {
      writeFileSync(join(folder, String(i)), content);
      return join(folder, String(i));
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const hashName = (text) => text.toLowerCase().replace(/[-_]/g, '');
const aead = (alg) => /gcm|chacha/.test(alg);
export const blockBytes = (alg) => (/^AES-\d+-(CBC|ECB)/.test(alg) ? 16 : /^3DES/.test(alg) ? 8 : 0);
export const keyBytes = (alg) => (/^AES-(\d+)/.test(alg) ? Number(/^AES-(\d+)/.exec(alg)[1]) / 8 : /^3DES/.test(alg) ? 24 : 32);

/** OpenSSL's name of an algorithm, which Node and openssl share. */
function opensslName(alg, key) {
  const mode = alg.split('-').pop().toLowerCase();
  if (!alg.startsWith('3DES')) return alg.toLowerCase();
  return (key.length === 16 ? 'des-ede' : 'des-ede3') + (mode === 'ecb' ? '' : '-cbc');
}

// Zero padding is added and removed by hand around a tool without padding: no tool has the former, and all have the
// latter.
function padded(text, block, padding) {
  return padding === 'zero' && text.length % block ? Buffer.concat([text, Buffer.alloc(block - (text.length % block))]) : text;
}
function unpadded(text, padding) {
  let end = text.length;
  while (padding === 'zero' && end && text[end - 1] === 0) end--;
  return text.subarray(0, end);
}
const paddingName = ({ padding }) => (byTool(padding) ? 'pkcs7' : padding);
const byTool = (padding) => padding !== 'zero' && padding !== 'none';

const node = {
  seal({ alg, key, iv, aad, tagBytes, padding }, text) {
    const name = opensslName(alg, key);
    const c = crypto.createCipheriv(name, key, iv ?? null, aead(name) ? { authTagLength: tagBytes } : {});
    if (aad) c.setAAD(aad);
    if (blockBytes(alg)) c.setAutoPadding(byTool(padding));
    const ct = Buffer.concat([c.update(padded(text, blockBytes(alg), padding)), c.final()]);
    return { ct, tag: aead(name) ? c.getAuthTag() : undefined };
  },
  open({ alg, key, iv, aad, tagBytes, padding }, { ct, tag }) {
    const name = opensslName(alg, key);
    const d = crypto.createDecipheriv(name, key, iv ?? null, aead(name) ? { authTagLength: tagBytes } : {});
    if (aad) d.setAAD(aad);
    if (aead(name)) d.setAuthTag(tag);
    if (blockBytes(alg)) d.setAutoPadding(byTool(padding));
    return unpadded(Buffer.concat([d.update(ct), d.final()]), padding);
  },
  digest: (hash, data) => crypto.createHash(hashName(hash)).update(data).digest(),
  hmac: (hash, key, data) => crypto.createHmac(hashName(hash), key).update(data).digest(),
  pbkdf2: (hash, secret, salt, iterations, n) => crypto.pbkdf2Sync(secret, salt, iterations, n, hashName(hash)),
  scrypt: (secret, salt, { n, r, p }, bytes) =>
    crypto.scryptSync(secret, salt, bytes, { N: n, r: r || 8, p: p || 1, maxmem: 1 << 28 }),
  hkdf: (hash, secret, salt, info, n) => Buffer.from(crypto.hkdfSync(hashName(hash), secret, salt, info, n)),
  evp(hash, secret, salt, iterations, n) {
    let out = Buffer.alloc(0);
    for (let last = Buffer.alloc(0); out.length < n; out = Buffer.concat([out, last])) {
      last = this.digest(hash, Buffer.concat([last, secret, salt]));
      for (let i = 1; i < (iterations || 1); i++) last = this.digest(hash, last);
    }
    return out.subarray(0, n);
  },
  // Node has one hash for OAEP and MGF1; openssl has two.
  wrap(how, pem, key) {
    if (how.pkcs1) return crypto.publicEncrypt({ key: pem, padding: crypto.constants.RSA_PKCS1_PADDING }, key);
    if (how.mgf !== how.hash) return openssl.wrap(how, pem, key);
    return crypto.publicEncrypt({ key: pem, oaepHash: how.hash, oaepLabel: how.label && Buffer.from(how.label) }, key);
  },
  unwrap(how, pem, wrapped) {
    if (how.pkcs1 || how.mgf !== how.hash) return openssl.unwrap(how, pem, wrapped);
    return crypto.privateDecrypt({ key: pem, oaepHash: how.hash, oaepLabel: how.label && Buffer.from(how.label) }, wrapped);
  },
  wrapAES(kek, key) {
    const c = crypto.createCipheriv(`id-aes${kek.length * 8}-wrap`, kek, Buffer.alloc(8, 0xa6));
    return Buffer.concat([c.update(key), c.final()]);
  },
  unwrapAES(kek, wrapped) {
    const d = crypto.createDecipheriv(`id-aes${kek.length * 8}-wrap`, kek, Buffer.alloc(8, 0xa6));
    return Buffer.concat([d.update(wrapped), d.final()]);
  },
  sign: ({ hash, pss, p1363 }, pem, data) => crypto.sign(hash, data, signingKey(pem, pss, p1363)),
  verify: ({ hash, pss, p1363 }, pem, data, signature) => crypto.verify(hash, data, signingKey(pem, pss, p1363), signature),
};

function signingKey(key, pss, p1363) {
  if (pss) return { key, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
  return { key, dsaEncoding: p1363 ? 'ieee-p1363' : 'der' };
}

const hex = (bytes) => Buffer.from(bytes ?? '').toString('hex');
const unhex = (text) => Buffer.from(text, 'hex');

// The openssl command line, which has no AEAD.
function opensslEnc(direction, { alg, key, iv, padding }, text) {
  const args = ['enc', direction, `-${opensslName(alg, key)}`, '-K', hex(key)];
  if (iv) args.push('-iv', hex(iv));
  if (blockBytes(alg) && !byTool(padding)) args.push('-nopad');
  return run(text, 'openssl', ...args);
}
const pkeyutl = ({ pkcs1, hash, mgf, label }) => {
  const options = ['pkeyutl', '-pkeyopt', `rsa_padding_mode:${pkcs1 ? 'pkcs1' : 'oaep'}`];
  if (!pkcs1) options.push('-pkeyopt', `rsa_oaep_md:${hash}`, '-pkeyopt', `rsa_mgf1_md:${mgf}`);
  if (label) options.push('-pkeyopt', `rsa_oaep_label:${hex(label)}`);
  return options;
};
const openssl = {
  ...node,
  seal: (how, text) =>
    aead(how.alg.toLowerCase()) ? node.seal(how, text) : { ct: opensslEnc('-e', how, padded(text, blockBytes(how.alg), how.padding)) },
  open: (how, parts) =>
    aead(how.alg.toLowerCase()) ? node.open(how, parts) : unpadded(opensslEnc('-d', how, parts.ct), how.padding),
  digest: (hash, data) => run(data, 'openssl', 'dgst', `-${hashName(hash)}`, '-binary'),
  hmac: (hash, key, data) => run(data, 'openssl', 'dgst', `-${hashName(hash)}`, '-mac', 'HMAC', '-macopt', `hexkey:${hex(key)}`, '-binary'),
  wrap: (how, pem, key) =>
    withFiles([pem], (file) => run(key, 'openssl', ...pkeyutl(how), '-encrypt', ...publicInput(pem, file))),
  unwrap: (how, pem, wrapped) => withFiles([pem], (file) => run(wrapped, 'openssl', ...pkeyutl(how), '-decrypt', '-inkey', file)),
  // openssl signs digests; Node makes Ed25519 signatures and those that need options.
  toLines: (bytes) => run(bytes, 'openssl', 'enc', '-a'),
  // openssl requires a line end after a single line, which a shell's echo and here-document add.
  fromLines: (text) => run(`${text}\n`, 'openssl', 'enc', '-d', '-a'),
  sign: (how, pem, data) =>
    how.hash && !how.pss && !how.p1363 ? withFiles([pem], (file) => run(data, 'openssl', 'dgst', `-${how.hash}`, '-sign', file)) : node.sign(how, pem, data),
  verify(how, pem, data, signature) {
    if (!how.hash || how.pss || how.p1363) return node.verify(how, pem, data, signature);
    const publicPEM = crypto.createPublicKey(pem).export({ type: 'spki', format: 'pem' });
    return withFiles([publicPEM, signature], (key, file) => {
      try {
        return run(data, 'openssl', 'dgst', `-${how.hash}`, '-verify', key, '-signature', file).toString().startsWith('Verified OK');
      } catch {
        return false;
      }
    });
  },
};
const publicInput = (pem, file) => [...(/PRIVATE/.test(pem) ? [] : /CERTIFICATE/.test(pem) ? ['-certin'] : ['-pubin']), '-inkey', file];

const words = (w) => CryptoJS.lib.WordArray.create(w);
const fromWords = (w) => unhex(w.toString(CryptoJS.enc.Hex));
const cryptojsMode = ({ alg, iv, padding }) => ({
  mode: CryptoJS.mode[alg.split('-').pop()], iv: iv && words(iv),
  padding: alg.endsWith('CTR') ? CryptoJS.pad.NoPadding : CryptoJS.pad[{ zero: 'ZeroPadding', none: 'NoPadding' }[padding] ?? 'Pkcs7'],
});
const cryptojs = {
  ...node,
  seal: (how, text) => ({ ct: fromWords(cipherJS(how).encrypt(words(text), words(how.key), cryptojsMode(how)).ciphertext) }),
  open: (how, { ct }) => fromWords(cipherJS(how).decrypt({ ciphertext: words(ct) }, words(how.key), cryptojsMode(how))),
  digest: (hash, data) => fromWords(CryptoJS[hashName(hash).toUpperCase()](words(data))),
  hmac: (hash, key, data) => fromWords(CryptoJS[`Hmac${hashName(hash).toUpperCase()}`](words(data), words(key))),
  pbkdf2: (hash, secret, salt, iterations, n) =>
    fromWords(CryptoJS.PBKDF2(words(secret), words(salt), { keySize: n / 4, iterations, hasher: CryptoJS.algo[hashName(hash).toUpperCase()] })),
  evp: (hash, secret, salt, iterations, n) =>
    fromWords(CryptoJS.EvpKDF(words(secret), words(salt), { keySize: n / 4, iterations: iterations || 1, hasher: CryptoJS.algo[hashName(hash).toUpperCase()] })),
};
const cipherJS = ({ alg }) => (alg.startsWith('3DES') ? CryptoJS.TripleDES : CryptoJS.AES);

const binary = (bytes) => forge.util.createBuffer(Buffer.from(bytes).toString('binary'));
const fromBinary = (buffer) => Buffer.from(buffer.getBytes(), 'binary');
function forgeCipher(start, { alg, key, iv, aad, tagBytes }, text, tag) {
  const c = start(alg.replace(/-\d+/, ''), binary(key));
  c.start({ iv: iv && binary(iv), additionalData: aad && Buffer.from(aad).toString('binary'), tagLength: tagBytes * 8, tag: tag && binary(tag) });
  c.update(binary(text));
  if (!c.finish()) throw new Error('forge does not open it');
  return c;
}
const forgeTool = {
  ...node,
  seal(how, text) {
    const c = forgeCipher(forge.cipher.createCipher, how, text);
    return { ct: fromBinary(c.output), tag: c.mode.tag && fromBinary(c.mode.tag) };
  },
  open: (how, { ct, tag }) => fromBinary(forgeCipher(forge.cipher.createDecipher, how, ct, tag).output),
  wrap: (how, pem, key) => Buffer.from(forgePublic(pem).encrypt(Buffer.from(key).toString('binary'), ...forgePadding(how)), 'binary'),
  unwrap: (how, pem, wrapped) =>
    Buffer.from(forge.pki.privateKeyFromPem(pem).decrypt(Buffer.from(wrapped).toString('binary'), ...forgePadding(how)), 'binary'),
};
const forgePublic = (pem) => forge.pki.publicKeyFromPem(crypto.createPublicKey(pem).export({ type: 'spki', format: 'pem' }));
const forgePadding = ({ pkcs1, hash, mgf }) =>
  pkcs1 ? ['RSAES-PKCS1-V1_5'] : ['RSA-OAEP', { md: forge.md[hash].create(), mgf1: { md: forge.md[mgf].create() } }];

// A program that answers each line with one line: byte strings are hexadecimal, and words are separated by spaces.
function answering(program, ...args) {
  let child;
  let lines;
  return async (...request) => {
    if (!child) {
      child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    }
    child.stdin.write(`${request.map((w) => (typeof w === 'string' ? w : hex(w)) || '-').join(' ')}\n`);
    const { value, done } = await lines.next();
    if (done || value.startsWith('!')) throw new Error(`${program}: ${done ? 'ended' : value}`);
    return unhex(value.replace(/^-$/, ''));
  };
}
const file = (name) => new URL(name, import.meta.url).pathname;
const javaLine = answering('java', file('Jce.java'));
const pythonLine = answering('python3', file('partner.py'));

const der = (pem) => crypto.createPublicKey(pem).export({ type: 'spki', format: 'der' });
const derPrivate = (pem) => crypto.createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
const number = (n) => String(n ?? 0);
/** The tool interface of a program that answers lines. */
function over(line, extra) {
  return {
    ...node,
    async seal(how, text) {
      const out = await line('seal', how.alg, paddingName(how), number(how.tagBytes), how.key, how.iv ?? '', how.aad ?? '', padded(text, blockBytes(how.alg), how.padding));
      const tag = aead(how.alg.toLowerCase()) ? how.tagBytes : 0;
      return { ct: out.subarray(0, out.length - tag), tag: out.subarray(out.length - tag) };
    },
    open: async (how, { ct, tag }) =>
      unpadded(await line('open', how.alg, paddingName(how), number(how.tagBytes), how.key, how.iv ?? '', how.aad ?? '', Buffer.concat([ct, tag ?? Buffer.alloc(0)])), how.padding),
    digest: (hash, data) => line('digest', hashName(hash), data),
    hmac: (hash, key, data) => line('hmac', hashName(hash), key, data),
    pbkdf2: (hash, secret, salt, iterations, n) => line('pbkdf2', hashName(hash), number(iterations), number(n), secret, salt),
    wrap: (how, pem, key) => line('wrap', how.pkcs1 ? 'pkcs1' : how.hash, how.mgf ?? '', how.label ? Buffer.from(how.label) : '', der(pem), key),
    unwrap: (how, pem, wrapped) =>
      line('unwrap', how.pkcs1 ? 'pkcs1' : how.hash, how.mgf ?? '', how.label ? Buffer.from(how.label) : '', derPrivate(pem), wrapped),
    wrapAES: (kek, key) => line('wrap-aes', kek, key),
    unwrapAES: (kek, wrapped) => line('unwrap-aes', kek, wrapped),
    toLines: (bytes) => line('to-lines', bytes),
    fromLines: (text) => line('from-lines', text),
    ...extra(line),
  };
}
const signWords = ({ hash, pss, p1363 }, pem) => [crypto.createPublicKey(pem).asymmetricKeyType, hash ?? '', pss ? 'pss' : p1363 ? 'p1363' : ''];
const java = over(javaLine, (line) => ({
  sign: (how, pem, data) => line('sign', ...signWords(how, pem), derPrivate(pem), data),
  verify: async (how, pem, data, signature) => (await line('verify', ...signWords(how, pem), der(pem), data, signature)).length === 1,
}));
const pythonHashes = (line) => ({
  scrypt: (secret, salt, { n, r, p }, bytes) => line('scrypt', number(n), number(r || 8), number(p || 1), number(bytes), secret, salt),
  sign: node.sign, verify: node.verify,
});
const hashlib = { ...node };
for (const name of ['digest', 'hmac', 'pbkdf2']) hashlib[name] = over(pythonLine, pythonHashes)[name];
hashlib.scrypt = pythonHashes(pythonLine).scrypt;
const pyca = over(pythonLine, (line) => ({
  ...pythonHashes(line),
  hkdf: (hash, secret, salt, info, n) => line('hkdf', hashName(hash), number(n), secret, salt, Buffer.from(info)),
}));

const tools = [
  [/^openssl/, openssl], [/crypto-js/, cryptojs], [/node-forge/, forgeTool], [/^Java/, java],
  [/^python (cryptography|pycryptodome)/, pyca], [/^python/, hashlib],
];
/** The tool that a vector names; Node for all other names. */
export const toolOf = (v) => tools.find(([name]) => name.test(v.tool ?? ''))?.[1] ?? node;

/** Whether this machine has the tool that a vector names. */
const present = new Map();
export function hasTool(v) {
  const probes = [[/^Java/, ['javac', '-version']], [/^python (cryptography|pycryptodome|joserfc)/, ['python3', '-c', 'import cryptography']],
    [/^python/, ['python3', '--version']], [/^gpg/, ['gpg', '--version']]];
  const probe = probes.find(([name]) => name.test(v.tool ?? ''))?.[1];
  if (!probe) return true;
  const key = probe.join(' ');
  if (!present.has(key)) {
    try {
      run('', ...probe);
      present.set(key, true);
    } catch {
      present.set(key, false);
    }
  }
  return present.get(key);
}
