function digest(hash, data) {
  return crypto.createHash(hash).update(data).digest();
}

function hmac(hash, key, data) {
  return crypto.createHmac(hash, key).update(data).digest();
}

// Compares two values in constant time.
function same(a, b) {
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

// The SHA-1 of a list and the key, sorted by their bytes.
function sortedSha1(list, key) {
  return digest('sha1', Buffer.concat([...list.map((text) => Buffer.from(text)), key].sort(Buffer.compare)));
}

// CRC-32 as a decimal number.
function crc32(data) {
  return String(zlib.crc32(data));
}

// The key of an order: its number, padded with zeros, under Triple DES in CBC mode with an IV of zeros.
function derive3des(key, text) {
  const cipher = crypto.createCipheriv('des-ede3-cbc', key.subarray(0, 24), Buffer.alloc(8)).setAutoPadding(false);
  return cipher.update(Buffer.concat([text, Buffer.alloc((8 - text.length % 8) % 8)]));
}
