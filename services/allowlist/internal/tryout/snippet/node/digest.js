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
