// Symmetric ciphers and RSA over a whole body, as a partner programs them.
import crypto from 'node:crypto';
import { blobTexts, envelopeOf, openSelected, read, sealSelected, splitBlobs, textAt, textSizes, write } from './envelope.mjs';
import { compactJWS, openJWS } from './jose.mjs';
import { blockBytes, hashName, keyBytes, toolOf } from './tools.mjs';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const letters = (n) => Buffer.from(Array.from({ length: n }, () => alphabet[crypto.randomInt(alphabet.length)]).join(''));

/** The bytes of a secret, decoded as its `decode` says. */
export function bytesOf({ value, decode }) {
  switch (decode) {
    case 'hex': case 'base64': case 'base64url': return Buffer.from(value, decode);
    case 'whsec': return Buffer.from(value.replace(/^whsec_/, ''), 'base64');
    default: return Buffer.from(value);
  }
}

const wrappedBytes = ({ len, form }) => (form === 'hex' || form === 'base64' ? Buffer.alloc(len).toString(form).length : len);
const digestBytes = (hash) => crypto.createHash(hashName(hash)).digest().length;
const oaepOf = ({ alg, hash, mgf, label }) =>
  /PKCS1/i.test(alg) ? { pkcs1: true } : { hash: hashName(hash || 'sha256'), mgf: hashName(mgf || hash || 'sha256'), label };

/** The resolved algorithms and keys of a profile of kind cipher. */
class Cipher {
  constructor(v) {
    Object.assign(this, { v, p: v.profile, tool: toolOf(v), envelope: envelopeOf(v.profile) });
    this.alg = this.p.content.alg.toUpperCase();
    this.tagBytes = /GCM|CHACHA/.test(this.alg) ? this.p.content.tag_len || 16 : 0;
    this.session = this.p.key.session;
    this.derive = this.p.key.derive ?? this.session?.derive ?? this.p.key.ecdh?.derive;
    this.perMessage = Object.values(this.envelope.headers ?? {}).join();
  }

  secret(name) { return this.v.secrets[name]; }

  get ivBytes() {
    return this.p.iv?.len || (this.tagBytes ? 12 : this.alg.endsWith('ECB') ? 0 : blockBytes(this.alg) || 16);
  }

  keyLength(secret) { return this.alg.startsWith('3DES') && !this.derive ? secret.length : keyBytes(this.alg); }

  /** The length in bytes of each part that does not depend on the message. */
  get sizes() {
    const sent = Object.values(this.envelope.blobs).flatMap((b) => b.parts);
    const sizes = { iv: this.ivBytes, tag: this.tagBytes, salt: this.derive?.salt_len };
    if (this.p.iv?.source === 'none' || this.alg.endsWith('ECB')) sizes.iv = 0;
    if (this.p.mac) sizes.mac = digestBytes(this.p.mac.alg.replace(/^HMAC-/i, ''));
    if (sent.includes('ephemeral')) sizes.ephemeral = /25519/.test(this.p.key.ecdh.curve) ? 32 : 65;
    if (sent.includes('wrapped_key')) {
      const { alg, ref, refs } = this.p.wrap;
      sizes.wrapped_key = /KW/i.test(alg) ? wrappedBytes(this.session) + 8
        : crypto.createPublicKey(this.secret(ref ?? refs[0]).value).asymmetricKeyDetails.modulusLength / 8;
    }
    return sizes;
  }

  async keyAndIV(secret, salt) {
    const d = this.derive;
    const n = this.keyLength(secret);
    if (!d || d.type === 'none') return { key: secret };
    if (d.salt?.startsWith('ref:')) salt = bytesOf(this.secret(d.salt.slice(4)));
    const more = this.p.iv?.source === 'kdf' ? this.ivBytes : 0;
    let out;
    switch (d.type) {
      case 'digest': {
        const digest = await this.tool.digest(d.hash, secret);
        const text = !d.form || d.form === 'raw' ? digest : Buffer.from(digest.toString(d.form));
        return { key: text.subarray(0, d.take || text.length) };
      }
      case 'evp_bytes_to_key': out = await this.tool.evp(d.hash, secret, salt ?? Buffer.alloc(0), d.iterations, n + more); break;
      case 'pbkdf2': out = await this.tool.pbkdf2(d.hash, secret, salt, d.iterations, n + more); break;
      case 'scrypt': out = await this.tool.scrypt(secret, salt, d, n + more); break;
      case 'hkdf': out = await this.tool.hkdf(d.hash, secret, salt ?? Buffer.alloc(0), d.info ?? '', n + more); break;
      default: throw new Error(`no derivation ${d.type}`);
    }
    return { key: out.subarray(0, n), iv: more ? out.subarray(n) : undefined };
  }

  // A session key, and the parts that let the partner obtain it.
  async drawKey() {
    const { key } = this.p;
    if (this.session) {
      const { len, form = 'raw' } = this.session;
      const secret = form === 'ascii' ? letters(len) : crypto.randomBytes(len);
      const wrapped = form === 'base64' || form === 'hex' ? Buffer.from(secret.toString(form)) : secret;
      const { alg, ref, refs } = this.p.wrap;
      const kek = this.secret(ref ?? refs[0]);
      return { secret, sent: { wrapped_key: await (/KW/i.test(alg) ? this.tool.wrapAES(bytesOf(kek), wrapped) : this.tool.wrap(oaepOf(this.p.wrap), kek.value, wrapped)) } };
    }
    if (key.ecdh) {
      const receiver = crypto.createPublicKey(this.secret(key.ecdh.ref).value);
      const ours = crypto.generateKeyPairSync(receiver.asymmetricKeyType, { namedCurve: 'P-256' });
      return { secret: crypto.diffieHellman({ privateKey: ours.privateKey, publicKey: receiver }), sent: { ephemeral: point(ours.publicKey) } };
    }
    return { secret: bytesOf(this.secret(key.ref ?? key.refs[0])), sent: {} };
  }

  async findKeys(parts) {
    const { key } = this.p;
    if (this.session) {
      const { alg, ref, refs } = this.p.wrap;
      const kek = this.secret(ref ?? refs[0]);
      const wrapped = await (/KW/i.test(alg) ? this.tool.unwrapAES(bytesOf(kek), parts.wrapped_key) : this.tool.unwrap(oaepOf(this.p.wrap), kek.value, parts.wrapped_key));
      const { form } = this.session;
      return [form === 'base64' || form === 'hex' ? Buffer.from(wrapped.toString(), form) : wrapped];
    }
    if (key.ecdh) {
      const privateKey = crypto.createPrivateKey(this.secret(key.ecdh.ref).value);
      return [crypto.diffieHellman({ privateKey, publicKey: fromPoint(parts.ephemeral) })];
    }
    return (key.refs ?? [key.ref]).map((name) => bytesOf(this.secret(name)));
  }

  aad(parts, body) {
    const a = this.p.aad;
    switch (a?.source) {
      case 'static': return Buffer.from(a.value, a.decode === 'hex' ? 'hex' : 'utf8');
      case 'part': return parts.aad ?? Buffer.from(a.value ?? '');
      case 'field_suffix': return Buffer.from(textAt(body, a.path)).subarray(-a.len);
      default: return undefined;
    }
  }

  // The IV, and whether it is sent.
  iv(key, derived, body) {
    const { source = 'random', ref, path } = this.p.iv ?? {};
    switch (source) {
      case 'random': return crypto.randomBytes(this.ivBytes);
      case 'random_ascii': return letters(this.ivBytes);
      case 'static': return bytesOf(this.secret(ref));
      case 'zero': return Buffer.alloc(this.ivBytes);
      case 'key_prefix': return key.subarray(0, this.ivBytes);
      case 'kdf': return derived;
      case 'field_suffix': return Buffer.from(textAt(body, path)).subarray(-this.ivBytes);
      default: return undefined;
    }
  }

  async mac(key, texts) {
    const { mac } = this.p;
    const input = mac.input.replace(/\$\{([a-z0-9_]+)\}/g, (_, name) => texts[name]);
    const macKey = mac.ref && mac.ref !== this.p.key.ref ? bytesOf(this.secret(mac.ref)) : key;
    return this.tool.hmac(mac.alg.replace(/^HMAC-/i, ''), macKey, Buffer.from(input));
  }

  how(key, iv, parts, body) {
    return { alg: this.alg, key, iv: this.sizes.iv === 0 ? undefined : iv, aad: this.aad(parts, body), tagBytes: this.tagBytes, padding: this.p.content.padding };
  }

  async make(body) {
    const whole = new Map(); // shared by all values of the message
    return sealSelected(this.p.select, body, async (text) => {
      const inHeader = this.perMessage.includes('${');
      const drawn = (inHeader && whole.get('key')) || (await this.drawKey());
      whole.set('key', drawn);
      const sent = { ...drawn.sent };
      if (this.derive?.salt === 'part') sent.salt = crypto.randomBytes(this.derive.salt_len);
      const { key, iv: derived } = await this.keyAndIV(drawn.secret, sent.salt);
      const iv = this.iv(key, derived, body);
      if (this.p.aad?.source === 'part') sent.aad = this.aad(sent);
      if (this.p.nested) text = Buffer.from(await compactJWS(this.v, text));
      if (this.p.iv?.placement === 'plaintext_prefix') text = Buffer.concat([iv, text]);
      const parts = { ...sent, iv, ...(await this.tool.seal(this.how(key, iv, sent, body), text)) };
      const texts = await blobTexts(this.envelope.blobs, parts, this.tool);
      if (this.p.mac) Object.assign(texts, await blobTexts(this.envelope.blobs, { ...parts, mac: await this.mac(key, texts) }, this.tool));
      return write(this.envelope, texts);
    });
  }

  async open({ body, headers }) {
    return openSelected(this.p.select, body, async (text) => {
      const texts = read(this.envelope, text, headers, textSizes(this.envelope.blobs, this.sizes));
      const parts = await splitBlobs(this.envelope.blobs, texts, this.sizes, this.tool);
      let failure;
      for (const secret of await this.findKeys(parts)) {
        try {
          return await this.openWith(secret, parts, texts, body);
        } catch (error) {
          failure = error;
        }
      }
      throw failure;
    });
  }

  async openWith(secret, parts, texts, body) {
    const { key, iv: derived } = await this.keyAndIV(secret, parts.salt);
    if (this.p.mac && !(await this.mac(key, texts)).equals(parts.mac)) throw new Error('another MAC');
    const inside = this.p.iv?.placement === 'plaintext_prefix';
    const iv = inside ? Buffer.alloc(this.ivBytes) : parts.iv ?? this.iv(key, derived, body);
    let text = await this.tool.open(this.how(key, iv, parts, body), parts);
    if (inside) text = text.subarray(this.ivBytes);
    return this.p.nested ? openJWS(this.v, text.toString()) : text;
  }
}

const jwkPoint = (jwk) => (jwk.y ? Buffer.concat([Buffer.of(4), Buffer.from(jwk.x, 'base64url'), Buffer.from(jwk.y, 'base64url')]) : Buffer.from(jwk.x, 'base64url'));
const point = (key) => jwkPoint(key.export({ format: 'jwk' }));
function fromPoint(bytes) {
  const text = (b) => b.toString('base64url');
  const jwk = bytes.length === 32 ? { kty: 'OKP', crv: 'X25519', x: text(bytes) } : { kty: 'EC', crv: 'P-256', x: text(bytes.subarray(1, 33)), y: text(bytes.subarray(33)) };
  return crypto.createPublicKey({ key: jwk, format: 'jwk' });
}

export const cipher = {
  make: (v, body) => new Cipher(v).make(body),
  open: (v, message) => new Cipher(v).open(message),
};

// RSA over the selected bytes themselves.
export const rsaDirect = {
  make(v, body) {
    const envelope = envelopeOf(v.profile);
    const { wrap, select } = v.profile;
    return sealSelected(select, body, async (text) =>
      write(envelope, await blobTexts(envelope.blobs, { ct: await toolOf(v).wrap(oaepOf(wrap), v.secrets[wrap.ref].value, text) }, toolOf(v))));
  },
  open(v, { body, headers }) {
    const envelope = envelopeOf(v.profile);
    const { wrap, select } = v.profile;
    return openSelected(select, body, async (text) => {
      const { ct } = await splitBlobs(envelope.blobs, read(envelope, text, headers), { iv: 0, tag: 0 }, toolOf(v));
      return toolOf(v).unwrap(oaepOf(wrap), v.secrets[wrap.ref].value, ct);
    });
  },
};
