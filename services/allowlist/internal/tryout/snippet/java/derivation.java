  static byte[] evpBytesToKey(String hash, byte[] secret, byte[] salt, int iterations, int size) throws Exception {
    byte[] key = {}, block = {};
    while (key.length < size) {
      block = digest(hash, concat(block, secret, salt));
      for (int i = 1; i < iterations; i++) block = digest(hash, block);
      key = concat(key, block);
    }
    return Arrays.copyOf(key, size);
  }

  /** PBKDF2 of bytes. The implementation of the JDK takes characters only. */
  static byte[] pbkdf2(String hash, byte[] secret, byte[] salt, int iterations, int size) throws Exception {
    String name = "Hmac" + hash.replace("-", "");
    Mac mac = Mac.getInstance(name);
    mac.init(new SecretKeySpec(secret, name));
    byte[] key = {};
    for (int n = 1; key.length < size; n++) {
      byte[] block = mac.doFinal(concat(salt, number(n)));
      byte[] sum = block.clone();
      for (int i = 1; i < iterations; i++) {
        block = mac.doFinal(block);
        for (int j = 0; j < sum.length; j++) sum[j] ^= block[j];
      }
      key = concat(key, sum);
    }
    return Arrays.copyOf(key, size);
  }

  /** HKDF (RFC 5869). */
  static byte[] hkdf(String hash, byte[] secret, byte[] salt, byte[] info, int size) throws Exception {
    byte[] extracted = hmac(hash, salt, secret), key = {}, block = {};
    for (int i = 1; key.length < size; i++) {
      block = hmac(hash, extracted, concat(block, info, new byte[] {(byte) i}));
      key = concat(key, block);
    }
    return Arrays.copyOf(key, size);
  }

  /** The one-step key derivation of NIST SP 800-56C. */
  static byte[] oneStepKdf(String hash, byte[] secret, byte[] info, int size) throws Exception {
    byte[] key = {};
    for (int i = 1; key.length < size; i++) key = concat(key, digest(hash, concat(number(i), secret, info)));
    return Arrays.copyOf(key, size);
  }

  /** The key derivation of ANSI X9.63. */
  static byte[] x963Kdf(String hash, byte[] secret, byte[] info, int size) throws Exception {
    byte[] key = {};
    for (int i = 1; key.length < size; i++) key = concat(key, digest(hash, concat(secret, number(i), info)));
    return Arrays.copyOf(key, size);
  }
