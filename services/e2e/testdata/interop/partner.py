"""Answers each line of standard input with one: what hashlib and cryptography make."""
import base64
import hashlib
import hmac
import sys


def cipher(alg, padding, key, iv):
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    mode = alg.rsplit("-", 1)[1]
    block = TripleDES if alg.startswith("3DES") else algorithms.AES
    return Cipher(block(key), {"CBC": modes.CBC, "CTR": modes.CTR}[mode](iv) if iv else modes.ECB())


def aead(alg, key):
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    if "GCM" in alg:
        return AESGCM(key)
    return ChaCha20Poly1305(key) if "CHACHA" in alg else None


def pkcs7(alg):
    from cryptography.hazmat.primitives.padding import PKCS7
    return PKCS7(64 if alg.startswith("3DES") else 128)


def seal(alg, padding, tag, key, iv, aad, text):
    if a := aead(alg, key):
        return a.encrypt(iv, text, aad or None)
    if padding == "pkcs7" and not alg.endswith("CTR"):
        p = pkcs7(alg).padder()
        text = p.update(text) + p.finalize()
    e = cipher(alg, padding, key, iv).encryptor()
    return e.update(text) + e.finalize()


def open_(alg, padding, tag, key, iv, aad, text):
    if a := aead(alg, key):
        return a.decrypt(iv, text, aad or None)
    d = cipher(alg, padding, key, iv).decryptor()
    text = d.update(text) + d.finalize()
    if padding == "pkcs7" and not alg.endswith("CTR"):
        p = pkcs7(alg).unpadder()
        text = p.update(text) + p.finalize()
    return text


def hash_of(name):
    from cryptography.hazmat.primitives import hashes
    return getattr(hashes, name.upper())()


def oaep(name, mgf, label):
    from cryptography.hazmat.primitives.asymmetric import padding
    if name == "pkcs1":
        return padding.PKCS1v15()
    return padding.OAEP(padding.MGF1(hash_of(mgf)), hash_of(name), label or None)


def wrap(name, mgf, label, der, key):
    from cryptography.hazmat.primitives import serialization
    return serialization.load_der_public_key(der).encrypt(key, oaep(name, mgf, label))


def unwrap(name, mgf, label, der, wrapped):
    from cryptography.hazmat.primitives import serialization
    return serialization.load_der_private_key(der, None).decrypt(wrapped, oaep(name, mgf, label))


def aes_key_wrap(kek, key):
    from cryptography.hazmat.primitives import keywrap
    return keywrap.aes_key_wrap(kek, key)


def aes_key_unwrap(kek, wrapped):
    from cryptography.hazmat.primitives import keywrap
    return keywrap.aes_key_unwrap(kek, wrapped)


def hkdf(name, n, secret, salt, info):
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    return HKDF(hash_of(name), int(n), salt or None, info).derive(secret)


# Each operation and how many of its words are texts; the others are bytes.
OPERATIONS = {
    "digest": (1, lambda name, data: hashlib.new(name, data).digest()),
    "hmac": (1, lambda name, key, data: hmac.new(key, data, name).digest()),
    "pbkdf2": (3, lambda name, i, n, secret, salt: hashlib.pbkdf2_hmac(name, secret, salt, int(i), int(n))),
    "scrypt": (4, lambda n, r, p, size, secret, salt: hashlib.scrypt(
        secret, salt=salt, n=int(n), r=int(r), p=int(p), dklen=int(size), maxmem=1 << 28)),
    "seal": (3, seal), "open": (3, open_), "wrap": (2, wrap), "unwrap": (2, unwrap), "hkdf": (2, hkdf),
    "to-lines": (0, base64.encodebytes), "from-lines": (0, base64.decodebytes),
    "wrap-aes": (0, aes_key_wrap), "unwrap-aes": (0, aes_key_unwrap),
}

for line in sys.stdin:
    name, *words = line.split()
    texts, operation = OPERATIONS[name]
    words = ["" if w == "-" else w for w in words]
    try:
        answer = operation(*words[:texts], *map(bytes.fromhex, words[texts:])).hex() or "-"
    except Exception as error:  # told to the caller
        answer = f"!{type(error).__name__} {error}".replace("\n", " ")
    print(answer, flush=True)
