def private_key(pem):
    return serialization.load_pem_private_key(pem.encode(), None)

def public_key(pem):
    return serialization.load_pem_public_key(pem.encode())

# RSAES-OAEP. MGF1 may use another hash.
def decrypt_oaep(pem, name, mgf1_name, label, encrypted):
    oaep = padding.OAEP(padding.MGF1(hash_of(mgf1_name)), hash_of(name), label)
    return private_key(pem).decrypt(encrypted, oaep)

# RSAES-PKCS1-v1_5. A server that decrypts messages from strangers must not reveal
# whether the padding was good.
def decrypt_pkcs1(pem, encrypted):
    return private_key(pem).decrypt(encrypted, padding.PKCS1v15())

# AES Key Wrap (RFC 3394).
def unwrap_aes(key, wrapped):
    return keywrap.aes_key_unwrap(key, wrapped)

# The secret that our private key and the sender's ephemeral public key agree on. The
# prefix turns the bytes of a public key into a SubjectPublicKeyInfo.
def agree(prefix, pem, ephemeral):
    ours = private_key(pem)
    theirs = serialization.load_der_public_key(bytes.fromhex(prefix) + ephemeral)
    if isinstance(ours, ec.EllipticCurvePrivateKey):
        return ours.exchange(ec.ECDH(), theirs)
    return ours.exchange(theirs)

# The key derivation of ECDH-ES (RFC 7518 section 4.6.2).
def concat_kdf(secret, algorithm, apu, apv, size):
    info = b"".join(len(part).to_bytes(4, "big") + part for part in [algorithm.encode(), apu, apv])
    info += (size * 8).to_bytes(4, "big")
    key = b""
    for i in range(1, size // 32 + 2):
        key += digest("sha256", i.to_bytes(4, "big") + secret + info)
    return key[:size]
