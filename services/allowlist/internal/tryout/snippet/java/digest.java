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

  /** The SHA-1 of a list and the key, sorted by their bytes. */
  static byte[] sortedSha1(List<String> texts, byte[] key) throws Exception {
    List<byte[]> all = new ArrayList<>(List.of(key));
    for (String text : texts) all.add(text.getBytes(StandardCharsets.UTF_8));
    all.sort(Arrays::compareUnsigned);
    return digest("SHA-1", concat(all.toArray(byte[][]::new)));
  }

  /** CRC-32 as a decimal number. */
  static String crc32(byte[] data) {
    CRC32 sum = new CRC32();
    sum.update(data);
    return String.valueOf(sum.getValue());
  }

  /** The key of an order: its number, padded with zeros, under Triple DES in CBC mode with an IV of zeros. */
  static byte[] derive3des(byte[] key, byte[] text) throws Exception {
    Cipher cipher = Cipher.getInstance("DESede/CBC/NoPadding");
    cipher.init(Cipher.ENCRYPT_MODE, new SecretKeySpec(Arrays.copyOf(key, 24), "DESede"), new IvParameterSpec(new byte[8]));
    return cipher.doFinal(Arrays.copyOf(text, (text.length + 7) / 8 * 8));
  }
