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

// The one-step key derivation of NIST SP 800-56C.
function oneStepKdf(hash, secret, info, size) {
  let key = Buffer.alloc(0);
  for (let i = 1; key.length < size; i++) key = Buffer.concat([key, digest(hash, Buffer.concat([Buffer.from([0, 0, 0, i]), secret, info]))]);
  return key.subarray(0, size);
}

// The key derivation of ANSI X9.63.
function x963Kdf(hash, secret, info, size) {
  let key = Buffer.alloc(0);
  for (let i = 1; key.length < size; i++) key = Buffer.concat([key, digest(hash, Buffer.concat([secret, Buffer.from([0, 0, 0, i]), info]))]);
  return key.subarray(0, size);
}
