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

# The one-step key derivation of NIST SP 800-56C.
def one_step_kdf(name, secret, info, size):
    key = b""
    while len(key) < size:
        counter = len(key) // hashlib.new(name).digest_size + 1
        key += digest(name, counter.to_bytes(4, "big") + secret + info)
    return key[:size]

# The key derivation of ANSI X9.63.
def x963_kdf(name, secret, info, size):
    key = b""
    while len(key) < size:
        counter = len(key) // hashlib.new(name).digest_size + 1
        key += digest(name, secret + counter.to_bytes(4, "big") + info)
    return key[:size]
