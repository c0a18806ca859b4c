# DEFLATE (RFC 1951) without a header. In production, limit the length of the output.
def inflate(data):
    return zlib.decompress(data, -15)
