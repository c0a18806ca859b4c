  /** The string at a path of a JSON document. */
  static String pick(String json, String... path) {
    return unquoted(raw(json, path));
  }

  /** All strings at a path of a JSON document; "*" stands for every element. */
  static List<String> find(String json, String... path) {
    List<String> found = List.of(json);
    for (String step : path) {
      List<String> next = new ArrayList<>();
      for (String value : found) {
        Map<String, String> members = members(value);
        if (step.equals("*")) next.addAll(members.values());
        else if (members.containsKey(step)) next.add(members.get(step));
      }
      found = next;
    }
    return found.stream().map(Open::unquoted).toList();
  }

  /** The exact text of the value at a path of a JSON document. */
  static String raw(String json, String... path) {
    for (String step : path) json = members(json).get(step);
    return json;
  }

  /** The members of a JSON object, or the elements of an array, in their exact texts. */
  static Map<String, String> members(String json) {
    Map<String, String> found = new LinkedHashMap<>();
    int depth = 0, start = 0;
    String name = null;
    Matcher tokens = Pattern.compile("\"(?:[^\"\\\\]++|\\\\.)*+\"|[^\"]", Pattern.DOTALL).matcher(json);
    while (tokens.find()) {
      String token = tokens.group();
      String before = depth == 1 ? json.substring(start, tokens.start()).strip() : "";
      if (depth == 1 && token.equals(":")) {
        name = unquoted(before);
      } else if (",]}".contains(token) && !before.isEmpty()) {
        found.put(name == null ? String.valueOf(found.size()) : name, before);
      }
      if ("[{".contains(token)) depth++;
      if (depth == 1 && "[{,:".contains(token)) start = tokens.end();
      if ("]}".contains(token)) depth--;
    }
    return found;
  }

  /** A text as a JSON string. */
  static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      switch (c) {
        case '"', '\\' -> json.append('\\').append(c);
        case '\n' -> json.append("\\n");
        case '\r' -> json.append("\\r");
        case '\t' -> json.append("\\t");
        case '\b' -> json.append("\\b");
        case '\f' -> json.append("\\f");
        default -> json.append(c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
      }
    }
    return json.append('"').toString();
  }

  /** What a JSON string holds; other values are their text. */
  static String unquoted(String json) {
    if (!json.startsWith("\"")) return json;
    StringBuilder text = new StringBuilder();
    for (int i = 1; i < json.length() - 1; i++) {
      char c = json.charAt(i);
      if (c == '\\') {
        c = json.charAt(++i);
        switch (c) {
          case 'n' -> c = '\n';
          case 'r' -> c = '\r';
          case 't' -> c = '\t';
          case 'b' -> c = '\b';
          case 'f' -> c = '\f';
          case 'u' -> {
            c = (char) Integer.parseInt(json.substring(i + 1, i + 5), 16);
            i += 4;
          }
          default -> { }
        }
      }
      text.append(c);
    }
    return text.toString();
  }

  /** A form with the values of these names opened. */
  static String openForm(String form, String... names) throws Exception {
    List<String> pairs = new ArrayList<>();
    for (String pair : form.split("&")) {
      String[] parts = (pair + "=").split("=", 3);
      String name = URLDecoder.decode(parts[0], StandardCharsets.UTF_8);
      String value = URLDecoder.decode(parts[1], StandardCharsets.UTF_8);
      if (List.of(names).contains(name) && !value.isEmpty()) {
        String opened = new String(open(value), StandardCharsets.UTF_8);
        pair = parts[0] + "=" + URLEncoder.encode(opened, StandardCharsets.UTF_8);
      }
      pairs.add(pair);
    }
    return String.join("&", pairs);
  }

  static byte[] concat(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) all.writeBytes(part);
    return all.toByteArray();
  }

  static byte[] digest(String hash, byte[] data) throws Exception {
    return MessageDigest.getInstance(hash).digest(data);
  }

  static byte[] hmac(String hash, byte[] key, byte[] data) throws Exception {
    String name = "Hmac" + hash.replace("-", "");
    Mac mac = Mac.getInstance(name);
    mac.init(new SecretKeySpec(key.length > 0 ? key : new byte[1], name));
    return mac.doFinal(data);
  }

  /** Compares without telling by the time where two values differ. */
  static boolean same(byte[] a, byte[] b) {
    return MessageDigest.isEqual(a, b);
  }

  static byte[] evpBytesToKey(String hash, byte[] secret, byte[] salt, int iterations, int size) throws Exception {
    byte[] key = {}, block = {};
    while (key.length < size) {
      block = digest(hash, concat(block, secret, salt));
      for (int i = 1; i < iterations; i++) block = digest(hash, block);
      key = concat(key, block);
    }
    return Arrays.copyOf(key, size);
  }

  /** PBKDF2 of bytes; the one of the JDK takes a text only. */
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

  /** A number as four bytes. */
  static byte[] number(int n) {
    return ByteBuffer.allocate(4).putInt(n).array();
  }

  /** What stands between the lines of a PEM. */
  static byte[] der(String pem) {
    return Base64.getMimeDecoder().decode(pem.replaceAll("-----[A-Z ]+-----", ""));
  }

  static PrivateKey privateKey(String algorithm, String pem) throws Exception {
    return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der(pem)));
  }

  static PublicKey publicKey(String algorithm, String pem) throws Exception {
    return KeyFactory.getInstance(algorithm).generatePublic(new X509EncodedKeySpec(der(pem)));
  }

  /** RSAES-OAEP. The hash of MGF1 may be another one. */
  static byte[] decryptOaep(String pem, String hash, String mgf1Hash, byte[] label, byte[] encrypted) throws Exception {
    Cipher cipher = Cipher.getInstance("RSA/ECB/OAEPPadding");
    cipher.init(Cipher.DECRYPT_MODE, privateKey("RSA", pem), new OAEPParameterSpec(
        hash, "MGF1", new MGF1ParameterSpec(mgf1Hash), new PSource.PSpecified(label)));
    return cipher.doFinal(encrypted);
  }

  /**
   * RSAES-PKCS1-v1_5. A server that opens what strangers send must not tell whether the
   * padding was good.
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
   * prefix makes a SubjectPublicKeyInfo of the bytes of a public key.
   */
  static byte[] agree(String prefix, String pem, byte[] ephemeral) throws Exception {
    String algorithm = ephemeral.length == 32 ? "XDH" : "EC";
    byte[] encoded = concat(HexFormat.of().parseHex(prefix), ephemeral);
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
    return Arrays.copyOf(plaintext, end);
  }

  /** AES-CBC with HMAC (RFC 7518 section 5.2): the first half of the key is the MAC's. */
  static byte[] cbcHmac(String hash, byte[] key, byte[] iv, byte[] ciphertext, byte[] tag, byte[] aad) throws Exception {
    int half = key.length / 2;
    byte[] bits = ByteBuffer.allocate(8).putLong(aad.length * 8L).array();
    byte[] sum = hmac(hash, Arrays.copyOf(key, half), concat(aad, iv, ciphertext, bits));
    if (!same(Arrays.copyOf(sum, half), tag)) throw new GeneralSecurityException("the tag is not right");
    return cbc(Arrays.copyOfRange(key, half, key.length), iv, ciphertext, "pkcs7");
  }

  /** The same bytes with every bit flipped. */
  static byte[] flipped(byte[] bytes) {
    byte[] all = bytes.clone();
    for (int i = 0; i < all.length; i++) all[i] ^= (byte) 0xff;
    return all;
  }

  static boolean verifyRsa(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance(hash.replace("-", "") + "withRSA"), publicKey("RSA", pem), data, signature);
  }

  static boolean verifyPss(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    Signature verifier = Signature.getInstance("RSASSA-PSS");
    int salt = MessageDigest.getInstance(hash).getDigestLength();
    verifier.setParameter(new PSSParameterSpec(hash, "MGF1", new MGF1ParameterSpec(hash), salt, 1));
    return verify(verifier, publicKey("RSA", pem), data, signature);
  }

  /** ECDSA with the signature in DER. */
  static boolean verifyEcdsa(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance(hash.replace("-", "") + "withECDSA"), publicKey("EC", pem), data, signature);
  }

  /** ECDSA with the signature as r and s behind each other. */
  static boolean verifyEcdsaP1363(String hash, String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance(hash.replace("-", "") + "withECDSAinP1363Format"), publicKey("EC", pem), data, signature);
  }

  static boolean verifyEd25519(String pem, byte[] data, byte[] signature) throws Exception {
    return verify(Signature.getInstance("Ed25519"), publicKey("Ed25519", pem), data, signature);
  }

  static boolean verify(Signature verifier, PublicKey key, byte[] data, byte[] signature) throws Exception {
    verifier.initVerify(key);
    verifier.update(data);
    return verifier.verify(signature);
  }
