// RSAES-OAEP. MGF1 may use another hash, for which node:crypto has no option.
function decryptOaep(privateKey, hash, mgf1Hash, label, encrypted) {
  const block = decryptRsa(privateKey, encrypted);
  const size = digest(hash, '').length;
  const seed = mask(block.subarray(1, 1 + size), mgf1Hash, block.subarray(1 + size));
  const data = mask(block.subarray(1 + size), mgf1Hash, seed);
  const end = data.indexOf(1, size);
  const good = block[0] === 0 && same(data.subarray(0, size), digest(hash, label)) && end >= 0 && data.subarray(size, end).every((b) => b === 0);
  if (!good) throw new Error('the padding is not OAEP with these hashes');
  return data.subarray(end + 1);
}

// MGF1 (RFC 8017 appendix B.2.1) of a seed, XORed with data.
function mask(data, hash, seed) {
  const blocks = [];
  for (let i = 0; blocks.length * digest(hash, '').length < data.length; i++) {
    blocks.push(digest(hash, Buffer.concat([seed, Buffer.from([i >>> 24, i >>> 16, i >>> 8, i])])));
  }
  const stream = Buffer.concat(blocks);
  return data.map((b, i) => b ^ stream[i]);
}

// RSAES-PKCS1-v1_5: two fixed bytes, padding without zeros, a zero, the plaintext. A
// server that decrypts messages from strangers must not reveal whether the padding was good.
function decryptPkcs1(privateKey, encrypted) {
  const block = decryptRsa(privateKey, encrypted);
  const end = block.indexOf(0, 2);
  if (block[0] !== 0 || block[1] !== 2 || end < 10) throw new Error('the padding is not PKCS #1 v1.5');
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
// prefix turns the bytes of a public key into a SubjectPublicKeyInfo.
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
