def verify_rsa(name, pem, data, signature):
    return verified(public_key(pem), signature, data, padding.PKCS1v15(), hash_of(name))

def verify_pss(name, pem, data, signature):
    pss = padding.PSS(padding.MGF1(hash_of(name)), hash_of(name).digest_size)
    return verified(public_key(pem), signature, data, pss, hash_of(name))

# ECDSA with the signature in DER.
def verify_ecdsa(name, pem, data, signature):
    return verified(public_key(pem), signature, data, ec.ECDSA(hash_of(name)))

# ECDSA with the signature as r followed by s.
def verify_ecdsa_p1363(name, pem, data, signature):
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    return verify_ecdsa(name, pem, data, encode_dss_signature(r, s))

def verify_ed25519(pem, data, signature):
    return verified(public_key(pem), signature, data)

def verified(key, *arguments):
    try:
        key.verify(*arguments)
        return True
    except InvalidSignature:
        return False
