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

  /** Compares two values in constant time. */
  static boolean same(byte[] a, byte[] b) {
    return MessageDigest.isEqual(a, b);
  }
