def digest(name, data):
    return hashlib.new(name, data).digest()

def hmac(name, key, data):
    return hmac_digest(key, data, name)

# Compares two values in constant time.
def same(a, b):
    return compare_digest(a, b)
