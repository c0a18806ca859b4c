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

// AES in Cipher Feedback mode.
function cfb(key, iv, ciphertext) {
  return decryptBlocks(`aes-${key.length * 8}-cfb`, key, iv, ciphertext, 'none');
}

// AES in Output Feedback mode.
function ofb(key, iv, ciphertext) {
  return decryptBlocks(`aes-${key.length * 8}-ofb`, key, iv, ciphertext, 'none');
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
  if (padding === 'pkcs7-32') end -= plaintext[end - 1];
  return plaintext.subarray(0, end);
}

// AES-CBC with HMAC (RFC 7518 section 5.2). The first half of the key is the MAC key.
function cbcHmac(hash, key, iv, ciphertext, tag, aad) {
  const half = key.length / 2;
  const bits = Buffer.alloc(8);
  bits.writeBigUInt64BE(BigInt(aad.length * 8));
  const sum = hmac(hash, key.subarray(0, half), Buffer.concat([aad, iv, ciphertext, bits])).subarray(0, half);
  if (!same(sum, tag)) throw new Error('the tag is wrong');
  return cbc(key.subarray(half), iv, ciphertext, 'pkcs7');
}

// The same bytes with every bit flipped.
function flipped(bytes) {
  return bytes.map((b) => b ^ 0xff);
}
