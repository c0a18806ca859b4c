  /** AES in Galois/Counter Mode. */
  static byte[] gcm(byte[] key, byte[] iv, byte[] ciphertext, byte[] tag, byte[] aad) throws Exception {
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
    cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, "AES"), new GCMParameterSpec(tag.length * 8, iv));
    cipher.updateAAD(aad);
    return cipher.doFinal(concat(ciphertext, tag));
  }

  static byte[] chacha20Poly1305(byte[] key, byte[] iv, byte[] ciphertext, byte[] tag, byte[] aad) throws Exception {
    Cipher cipher = Cipher.getInstance("ChaCha20-Poly1305");
    cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, "ChaCha20"), new IvParameterSpec(iv));
    cipher.updateAAD(aad);
    return cipher.doFinal(concat(ciphertext, tag));
  }

  /** AES in Cipher Block Chaining mode. */
  static byte[] cbc(byte[] key, byte[] iv, byte[] ciphertext, String padding) throws Exception {
    return decryptBlocks("AES", "CBC", key, iv, ciphertext, padding);
  }

  /** AES in Counter mode. */
  static byte[] ctr(byte[] key, byte[] iv, byte[] ciphertext) throws Exception {
    return decryptBlocks("AES", "CTR", key, iv, ciphertext, "none");
  }

  /** AES in Cipher Feedback mode. */
  static byte[] cfb(byte[] key, byte[] iv, byte[] ciphertext) throws Exception {
    return decryptBlocks("AES", "CFB", key, iv, ciphertext, "none");
  }

  /** AES in Output Feedback mode. */
  static byte[] ofb(byte[] key, byte[] iv, byte[] ciphertext) throws Exception {
    return decryptBlocks("AES", "OFB", key, iv, ciphertext, "none");
  }

  /** AES in Electronic Codebook mode. */
  static byte[] ecb(byte[] key, byte[] ciphertext, String padding) throws Exception {
    return decryptBlocks("AES", "ECB", key, null, ciphertext, padding);
  }

  static byte[] tripleDesCbc(byte[] key, byte[] iv, byte[] ciphertext, String padding) throws Exception {
    return decryptBlocks("DESede", "CBC", Arrays.copyOf(concat(key, key), 24), iv, ciphertext, padding);
  }

  static byte[] tripleDesEcb(byte[] key, byte[] ciphertext, String padding) throws Exception {
    return decryptBlocks("DESede", "ECB", Arrays.copyOf(concat(key, key), 24), null, ciphertext, padding);
  }

  static byte[] decryptBlocks(String algorithm, String mode, byte[] key, byte[] iv, byte[] ciphertext, String padding) throws Exception {
    Cipher cipher = Cipher.getInstance(algorithm + "/" + mode + (padding.equals("pkcs7") ? "/PKCS5Padding" : "/NoPadding"));
    cipher.init(Cipher.DECRYPT_MODE, new SecretKeySpec(key, algorithm), iv == null ? null : new IvParameterSpec(iv));
    byte[] plaintext = cipher.doFinal(ciphertext);
    int end = plaintext.length;
    while (padding.equals("zero") && end > 0 && plaintext[end - 1] == 0) end--;
    if (padding.equals("pkcs7-32")) end -= plaintext[end - 1];
    return Arrays.copyOf(plaintext, end);
  }

  /** AES-CBC with HMAC (RFC 7518 section 5.2). The first half of the key is the MAC key. */
  static byte[] cbcHmac(String hash, byte[] key, byte[] iv, byte[] ciphertext, byte[] tag, byte[] aad) throws Exception {
    int half = key.length / 2;
    byte[] bits = ByteBuffer.allocate(8).putLong(aad.length * 8L).array();
    byte[] sum = hmac(hash, Arrays.copyOf(key, half), concat(aad, iv, ciphertext, bits));
    if (!same(Arrays.copyOf(sum, half), tag)) throw new GeneralSecurityException("the tag is wrong");
    return cbc(Arrays.copyOfRange(key, half, key.length), iv, ciphertext, "pkcs7");
  }

  /** The same bytes with every bit flipped. */
  static byte[] flipped(byte[] bytes) {
    byte[] all = bytes.clone();
    for (int i = 0; i < all.length; i++) all[i] ^= (byte) 0xff;
    return all;
  }
