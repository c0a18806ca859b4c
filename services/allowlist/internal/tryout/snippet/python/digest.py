def digest(name, data):
    return hashlib.new(name, data).digest()

def hmac(name, key, data):
    return hmac_digest(key, data, name)

# Compares two values in constant time.
def same(a, b):
    return compare_digest(a, b)

# The SHA-1 of a list and the key, sorted by their bytes.
def sorted_sha1(texts, key):
    return digest("sha1", b"".join(sorted([text.encode() for text in texts] + [key])))

# CRC-32 as a decimal number.
def crc32(data):
    return str(zlib.crc32(data))

# The key of an order: its number, padded with zeros, under Triple DES in CBC mode with an IV of zeros.
def derive3des(key, text):
    encryptor = Cipher(triple_des(key[:24]), modes.CBC(bytes(8))).encryptor()
    return encryptor.update(text + bytes(-len(text) % 8))
