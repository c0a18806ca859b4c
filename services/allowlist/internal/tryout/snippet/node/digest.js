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
