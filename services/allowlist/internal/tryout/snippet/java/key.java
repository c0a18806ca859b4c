  /** A number as four bytes. */
  static byte[] number(int n) {
    return ByteBuffer.allocate(4).putInt(n).array();
  }

  /** The content of a PEM block. */
  static byte[] der(String pem) {
    return Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
  }

  static PrivateKey privateKey(String algorithm, String pem) throws Exception {
    return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der(pem)));
  }

  static PublicKey publicKey(String algorithm, String pem) throws Exception {
    return KeyFactory.getInstance(algorithm).generatePublic(new X509EncodedKeySpec(der(pem)));
  }

  /** RSAES-OAEP. MGF1 may use another hash. */
  static byte[] decryptOaep(String pem, String hash, String mgf1Hash, byte[] label, byte[] encrypted) throws Exception {
    Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
    cipher.init(Cipher.DECRYPT_MODE, privateKey("RSA", pem), new OAEPParameterSpec(
        hash, "MGF1", new MGF1ParameterSpec(mgf1Hash), new PSource.PSpecified(label)));
    return cipher.doFinal(encrypted);
  }

  /**
   * RSAES-PKCS1-v1_5. A server that decrypts messages from strangers must not reveal
   * whether the padding was good.
   */
  static byte[] decryptPkcs1(String pem, byte[] encrypted) throws Exception {
    Cipher cipher = Cipher.getInstance("RSA/ECB/PKCS1Padding");
    cipher.init(Cipher.DECRYPT_MODE, privateKey("RSA", pem));
    return cipher.doFinal(encrypted);
  }

  /** AES Key Wrap (RFC 3394). */
  static byte[] unwrapAes(byte[] key, byte[] wrapped) throws Exception {
    Cipher cipher = Cipher.getInstance("AESWrap");
    cipher.init(Cipher.UNWRAP_MODE, new SecretKeySpec(key, "AES"));
    return cipher.unwrap(wrapped, "AES", Cipher.SECRET_KEY).getEncoded();
  }

  /**
   * The secret that our private key and the sender's ephemeral public key agree on. The
   * prefix turns the bytes of a public key into a SubjectPublicKeyInfo.
   */
  static byte[] agree(String prefix, String pem, byte[] ephemeral) throws Exception {
    byte[] encoded = concat(HexFormat.of().parseHex(prefix), ephemeral);
    String algorithm = encoded.length == 44 ? "XDH" : "EC";
    KeyAgreement agreement = KeyAgreement.getInstance(algorithm.equals("EC") ? "ECDH" : "XDH");
    agreement.init(privateKey(algorithm, pem));
    agreement.doPhase(KeyFactory.getInstance(algorithm).generatePublic(new X509EncodedKeySpec(encoded)), true);
    return agreement.generateSecret();
  }

  /** The key derivation of ECDH-ES (RFC 7518 section 4.6.2). */
  static byte[] concatKdf(byte[] secret, String algorithm, byte[] apu, byte[] apv, int size) throws Exception {
    byte[] name = algorithm.getBytes(StandardCharsets.US_ASCII), key = {};
    byte[] info = concat(number(name.length), name, number(apu.length), apu, number(apv.length), apv, number(size * 8));
    for (int i = 1; key.length < size; i++) key = concat(key, digest("SHA-256", concat(number(i), secret, info)));
    return Arrays.copyOf(key, size);
  }
