// HPKE (RFC 9180) in base mode, for one message: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, and AES-256-GCM. WebCrypto
// does all of the cryptography; this file only puts its inputs in the order of RFC 9180. The available libraries are
// several times as large, implement suites that the page does not use, and would be one more party with access to the
// users' input.

type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

function concat(...parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

// KEM 0x0020, KDF 0x0001, AEAD 0x0002.
const kemSuite = concat(utf8("KEM"), Uint8Array.of(0, 0x20));
const hpkeSuite = concat(utf8("HPKE"), Uint8Array.of(0, 0x20, 0, 1, 0, 2));
const none = new Uint8Array(0);
/** An empty salt: HMAC pads keys with zeros, and WebCrypto accepts no empty key. */
const noSalt = new Uint8Array(32);

/** The input of LabeledExtract (RFC 9180 section 4). */
const labeledIkm = (suite: Bytes, label: string, ikm: Bytes): Bytes => concat(utf8("HPKE-v1"), suite, utf8(label), ikm);

/** The info of LabeledExpand for an output of `length` bytes. */
const labeledInfo = (suite: Bytes, label: string, info: Bytes, length: number): Bytes =>
  concat(Uint8Array.of(0, length), utf8("HPKE-v1"), suite, utf8(label), info);

async function extract(label: string, ikm: Bytes): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", noSalt, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, labeledIkm(hpkeSuite, label, ikm)));
}

const hkdf = (salt: Bytes, info: Bytes): HkdfParams => ({ name: "HKDF", hash: "SHA-256", salt, info });

/** The key and nonce of one message, and the encapsulated key that lets its receiver derive them. */
export interface Context {
  /** The encapsulated key. */
  enc: Bytes;
  key: CryptoKey;
  nonce: Bytes;
}

/** Sets up one message to a public key. `ephemeral` is for known-answer tests; otherwise it must be fresh. */
export async function begin(recipient: Bytes, info: Bytes, ephemeral?: CryptoKeyPair): Promise<Context> {
  const pair = ephemeral ?? (await crypto.subtle.generateKey("X25519", false, ["deriveBits"]));
  const enc = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const publicKey = await crypto.subtle.importKey("raw", recipient, "X25519", false, []);
  // WebCrypto refuses an all-zero result, which keys of small order produce.
  const dh = new Uint8Array(
    await crypto.subtle.deriveBits({ name: "X25519", public: publicKey }, pair.privateKey, 256),
  );

  // ExtractAndExpand (section 4.1): HKDF extracts from the first input and expands to the second.
  const eae = await crypto.subtle.importKey("raw", labeledIkm(kemSuite, "eae_prk", dh), "HKDF", false, ["deriveBits"]);
  const shared = new Uint8Array(
    await crypto.subtle.deriveBits(
      hkdf(noSalt, labeledInfo(kemSuite, "shared_secret", concat(enc, recipient), 32)),
      eae,
      256,
    ),
  );

  // KeySchedule (section 5.1) in base mode, 0: without a pre-shared key.
  const context = concat(Uint8Array.of(0), await extract("psk_id_hash", none), await extract("info_hash", info));
  const secret = await crypto.subtle.importKey("raw", labeledIkm(hpkeSuite, "secret", none), "HKDF", false, [
    "deriveKey",
    "deriveBits",
  ]);
  const key = await crypto.subtle.deriveKey(
    hkdf(shared, labeledInfo(hpkeSuite, "key", context, 32)),
    secret,
    { name: "AES-GCM", length: 256 },
    false,
    ["encrypt"],
  );
  const nonce = new Uint8Array(
    await crypto.subtle.deriveBits(hkdf(shared, labeledInfo(hpkeSuite, "base_nonce", context, 12)), secret, 96),
  );
  for (const used of [dh, shared]) used.fill(0);
  return { enc, key, nonce };
}

/** Seals one message to a public key: the encapsulated key, then the ciphertext with its tag. */
export async function sealTo(recipient: Bytes, info: Bytes, plain: Bytes, ephemeral?: CryptoKeyPair): Promise<Bytes> {
  const { enc, key, nonce } = await begin(recipient, info, ephemeral);
  return concat(enc, new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, key, plain)));
}
