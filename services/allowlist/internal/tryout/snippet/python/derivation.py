def evp_bytes_to_key(name, secret, salt, iterations, size):
    key = block = b""
    while len(key) < size:
        block = digest(name, block + secret + salt)
        for _ in range(1, iterations):
            block = digest(name, block)
        key += block
    return key[:size]

def pbkdf2(name, secret, salt, iterations, size):
    return hashlib.pbkdf2_hmac(name, secret, salt, iterations, size)

def scrypt(secret, salt, cost, block_size, parallelization, size):
    return hashlib.scrypt(secret, salt=salt, n=cost, r=block_size, p=parallelization, maxmem=2**28, dklen=size)

def hkdf(name, secret, salt, info, size):
    return HKDF(hash_of(name), size, salt, info).derive(secret)

def hash_of(name):
    return getattr(hashes, name.upper())()
