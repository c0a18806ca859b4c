  /** DEFLATE (RFC 1951) without a header. In production, limit the length of the output. */
  static byte[] inflate(byte[] data) throws Exception {
    return new InflaterInputStream(new ByteArrayInputStream(data), new Inflater(true)).readAllBytes();
  }
