// DEFLATE (RFC 1951) without a header. In production, limit the length of the output.
function inflate(data) {
  return zlib.inflateRawSync(data);
}
