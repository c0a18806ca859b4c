// The string at a path of a JSON document.
function pick(json, ...path) {
  return path.reduce((value, step) => value[step], JSON.parse(json));
}

// All strings at a path of a JSON document; '*' stands for every element.
function find(json, ...path) {
  return path.reduce((found, step) => found.flatMap((value) => {
    if (step === '*') return Object.values(value ?? {});
    return value?.[step] === undefined ? [] : [value[step]];
  }), [JSON.parse(json)]);
}

// The exact text of the value at a path of a JSON document.
function raw(json, ...path) {
  return path.reduce((value, step) => members(value).get(step), json);
}

// The members of a JSON object, or the elements of an array, in their exact texts.
function members(json) {
  const found = new Map();
  let depth = 0, start = 0, name;
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[^"]/gs)) {
    if (depth === 1 && token === ':') {
      name = JSON.parse(json.slice(start, index));
    } else if (depth === 1 && ',]}'.includes(token) && json.slice(start, index).trim()) {
      found.set(name ?? String(found.size), json.slice(start, index).trim());
    }
    if ('[{'.includes(token)) depth++;
    if (depth === 1 && '[{,:'.includes(token)) start = index + 1;
    if (']}'.includes(token)) depth--;
  }
  return found;
}

// A text as a JSON string.
function quoted(text) {
  return JSON.stringify(text);
}

// What a JSON string holds; other values are their text.
function unquoted(json) {
  return json.startsWith('"') ? JSON.parse(json) : json;
}

// A form with the values of these names opened.
function openForm(form, ...names) {
  const decode = (text) => decodeURIComponent(text.replaceAll('+', ' '));
  return form.split('&').map((pair) => {
    const [name, value = ''] = pair.split(/=(.*)/s).map(decode);
    return names.includes(name) && value ? `${pair.split('=')[0]}=${encodeURIComponent(open(value))}` : pair;
  }).join('&');
}

function digest(hash, data) {
  return crypto.createHash(hash).update(data).digest();
}

function hmac(hash, key, data) {
  return crypto.createHmac(hash, key).update(data).digest();
}

// Compares without telling by the time where two values differ.
function same(a, b) {
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

function evpBytesToKey(hash, secret, salt, iterations, size) {
  let key = Buffer.alloc(0), block = Buffer.alloc(0);
  while (key.length < size) {
    block = digest(hash, Buffer.concat([block, secret, salt]));
    for (let i = 1; i < iterations; i++) block = digest(hash, block);
    key = Buffer.concat([key, block]);
  }
  return key.subarray(0, size);
}

function pbkdf2(hash, secret, salt, iterations, size) {
  return crypto.pbkdf2Sync(secret, salt, iterations, size, hash);
}

function scrypt(secret, salt, cost, blockSize, parallelization, size) {
  return crypto.scryptSync(secret, salt, size, { cost, blockSize, parallelization, maxmem: 2 ** 28 });
}

function hkdf(hash, secret, salt, info, size) {
  return Buffer.from(crypto.hkdfSync(hash, secret, salt, info, size));
}

// RSAES-OAEP. The hash of MGF1 may be another one, which node:crypto has no option for.
function decryptOaep(privateKey, hash, mgf1Hash, label, encrypted) {
  const block = decryptRsa(privateKey, encrypted);
  const size = digest(hash, '').length;
  const seed = mask(block.subarray(1, 1 + size), mgf1Hash, block.subarray(1 + size));
  const data = mask(block.subarray(1 + size), mgf1Hash, seed);
  const end = data.indexOf(1, size);
  const good = block[0] === 0 && same(data.subarray(0, size), digest(hash, label)) && end >= 0 && data.subarray(size, end).every((b) => b === 0);
  if (!good) throw new Error('it is not padded with OAEP and these hashes');
  return data.subarray(end + 1);
}

// MGF1 (RFC 8017 appendix B.2.1) of a seed, combined with data.
function mask(data, hash, seed) {
  const blocks = [];
  for (let i = 0; blocks.length * digest(hash, '').length < data.length; i++) {
    blocks.push(digest(hash, Buffer.concat([seed, Buffer.from([i >>> 24, i >>> 16, i >>> 8, i])])));
  }
  const stream = Buffer.concat(blocks);
  return data.map((b, i) => b ^ stream[i]);
}

// RSAES-PKCS1-v1_5: two fixed bytes, padding without zeros, a zero, the plaintext. A
// server that opens what strangers send must not tell whether the padding was good.
function decryptPkcs1(privateKey, encrypted) {
  const block = decryptRsa(privateKey, encrypted);
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new Error('it is not padded with PKCS #1 v1.5');
  return block.subarray(end + 1);
}

function decryptRsa(privateKey, encrypted) {
  return crypto.privateDecrypt({ key: privateKey, padding: crypto.constants.RSA_NO_PADDING }, encrypted);
}

// AES Key Wrap (RFC 3394).
function unwrapAes(key, wrapped) {
  const cipher = crypto.createDecipheriv(`aes${key.length * 8}-wrap`, key, Buffer.alloc(8, 0xa6));
  return Buffer.concat([cipher.update(wrapped), cipher.final()]);
}

// The secret that our private key and the sender's ephemeral public key agree on. The
// prefix makes a SubjectPublicKeyInfo of the bytes of a public key.
function agree(prefix, privateKey, ephemeral) {
  const key = Buffer.concat([Buffer.from(prefix, 'hex'), ephemeral]);
  return crypto.diffieHellman({
    privateKey: crypto.createPrivateKey(privateKey),
    publicKey: crypto.createPublicKey({ key, format: 'der', type: 'spki' }),
  });
}

// The key derivation of ECDH-ES (RFC 7518 section 4.6.2).
function concatKdf(secret, algorithm, apu, apv, size) {
  const number = (n) => Buffer.from([n >>> 24, n >>> 16, n >>> 8, n]);
  const info = [Buffer.from(algorithm), apu, apv].flatMap((part) => [number(part.length), part]);
  let key = Buffer.alloc(0);
  for (let i = 1; key.length < size; i++) {
    key = Buffer.concat([key, digest('sha256', Buffer.concat([number(i), secret, ...info, number(size * 8)]))]);
  }
  return key.subarray(0, size);
}

// AES in Galois/Counter Mode.
function gcm(key, iv, ciphertext, tag, aad) {
  const cipher = crypto.createDecipheriv(`aes-${key.length * 8}-gcm`, key, iv, { authTagLength: tag.length });
  cipher.setAuthTag(tag).setAAD(aad);
  return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
}

function chacha20Poly1305(key, iv, ciphertext, tag, aad) {
  const cipher = crypto.createDecipheriv('chacha20-poly1305', key, iv, { authTagLength: 16 });
  cipher.setAuthTag(tag).setAAD(aad, { plaintextLength: ciphertext.length });
  return Buffer.concat([cipher.update(ciphertext), cipher.final()]);
}

// AES in Cipher Block Chaining mode.
function cbc(key, iv, ciphertext, padding) {
  return decryptBlocks(`aes-${key.length * 8}-cbc`, key, iv, ciphertext, padding);
}

// AES in Counter mode.
function ctr(key, iv, ciphertext) {
  return decryptBlocks(`aes-${key.length * 8}-ctr`, key, iv, ciphertext, 'none');
}

// AES in Electronic Codebook mode.
function ecb(key, ciphertext, padding) {
  return decryptBlocks(`aes-${key.length * 8}-ecb`, key, null, ciphertext, padding);
}

function tripleDesCbc(key, iv, ciphertext, padding) {
  return decryptBlocks('des-ede3-cbc', Buffer.concat([key, key]).subarray(0, 24), iv, ciphertext, padding);
}

function tripleDesEcb(key, ciphertext, padding) {
  return decryptBlocks('des-ede3', Buffer.concat([key, key]).subarray(0, 24), null, ciphertext, padding);
}

function decryptBlocks(algorithm, key, iv, ciphertext, padding) {
  const cipher = crypto.createDecipheriv(algorithm, key, iv).setAutoPadding(padding === 'pkcs7');
  const plaintext = Buffer.concat([cipher.update(ciphertext), cipher.final()]);
  let end = plaintext.length;
  while (padding === 'zero' && end > 0 && plaintext[end - 1] === 0) end--;
  return plaintext.subarray(0, end);
}

// AES-CBC with HMAC (RFC 7518 section 5.2): the first half of the key is the MAC's.
function cbcHmac(hash, key, iv, ciphertext, tag, aad) {
  const half = key.length / 2;
  const bits = Buffer.alloc(8);
  bits.writeBigUInt64BE(BigInt(aad.length * 8));
  const sum = hmac(hash, key.subarray(0, half), Buffer.concat([aad, iv, ciphertext, bits])).subarray(0, half);
  if (!same(sum, tag)) throw new Error('the tag is not right');
  return cbc(key.subarray(half), iv, ciphertext, 'pkcs7');
}

// The same bytes with every bit flipped.
function flipped(bytes) {
  return bytes.map((b) => b ^ 0xff);
}

function verifyRsa(hash, publicKey, data, signature) {
  return crypto.verify(hash, data, publicKey, signature);
}

function verifyPss(hash, publicKey, data, signature) {
  const options = { key: publicKey, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
  return crypto.verify(hash, data, options, signature);
}

// ECDSA with the signature in DER.
function verifyEcdsa(hash, publicKey, data, signature) {
  return crypto.verify(hash, data, publicKey, signature);
}

// ECDSA with the signature as r and s behind each other.
function verifyEcdsaP1363(hash, publicKey, data, signature) {
  return crypto.verify(hash, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature);
}

function verifyEd25519(publicKey, data, signature) {
  return crypto.verify(null, data, publicKey, signature);
}
