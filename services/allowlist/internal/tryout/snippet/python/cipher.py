# AES in Galois/Counter Mode.
def gcm(key, iv, ciphertext, tag, aad):
    cipher = Cipher(algorithms.AES(key), modes.GCM(iv, tag, min_tag_length=len(tag))).decryptor()
    cipher.authenticate_additional_data(aad)
    return cipher.update(ciphertext) + cipher.finalize()

def chacha20_poly1305(key, iv, ciphertext, tag, aad):
    return ChaCha20Poly1305(key).decrypt(iv, ciphertext + tag, aad)

# AES in Cipher Block Chaining mode.
def cbc(key, iv, ciphertext, pad):
    return decrypt_blocks(algorithms.AES(key), modes.CBC(iv), ciphertext, pad)

# AES in Counter mode.
def ctr(key, iv, ciphertext):
    return decrypt_blocks(algorithms.AES(key), modes.CTR(iv), ciphertext, "none")

# AES in Cipher Feedback mode.
def cfb(key, iv, ciphertext):
    return decrypt_blocks(algorithms.AES(key), feedback("CFB", iv), ciphertext, "none")

# AES in Output Feedback mode.
def ofb(key, iv, ciphertext):
    return decrypt_blocks(algorithms.AES(key), feedback("OFB", iv), ciphertext, "none")

# The mode, which newer versions of the package have in another module.
def feedback(name, iv):
    try:
        from cryptography.hazmat.decrepit.ciphers import modes as newer
    except ImportError:
        newer = modes
    return getattr(newer, name)(iv)

# AES in Electronic Codebook mode.
def ecb(key, ciphertext, pad):
    return decrypt_blocks(algorithms.AES(key), modes.ECB(), ciphertext, pad)

def triple_des_cbc(key, iv, ciphertext, pad):
    return decrypt_blocks(triple_des(key), modes.CBC(iv), ciphertext, pad)

def triple_des_ecb(key, ciphertext, pad):
    return decrypt_blocks(triple_des(key), modes.ECB(), ciphertext, pad)

# Triple DES, which newer versions of the package have in another module.
def triple_des(key):
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    except ImportError:
        from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES
    return TripleDES((key + key)[:24])

def decrypt_blocks(algorithm, mode, ciphertext, pad):
    cipher = Cipher(algorithm, mode).decryptor()
    plaintext = cipher.update(ciphertext) + cipher.finalize()
    if pad == "zero":
        return plaintext.rstrip(b"\0")
    if pad == "none":
        return plaintext
    size, block = plaintext[-1], 32 if pad == "pkcs7-32" else algorithm.block_size // 8
    if not 1 <= size <= block or plaintext[-size:] != bytes([size]) * size:
        raise ValueError("the padding is wrong")
    return plaintext[:-size]

# AES-CBC with HMAC (RFC 7518 section 5.2). The first half of the key is the MAC key.
def cbc_hmac(name, key, iv, ciphertext, tag, aad):
    half = len(key) // 2
    mac = hmac(name, key[:half], aad + iv + ciphertext + (len(aad) * 8).to_bytes(8, "big"))
    if not same(mac[:half], tag):
        raise ValueError("the tag is wrong")
    return cbc(key[half:], iv, ciphertext, "pkcs7")

# The same bytes with every bit flipped.
def flipped(data):
    return bytes(b ^ 0xFF for b in data)
