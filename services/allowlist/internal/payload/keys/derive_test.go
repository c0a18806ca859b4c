package keys_test

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

const passphrase = "correct horse battery staple"

// The digests were computed with Python's hashlib, those of EVP_BytesToKey with `openssl enc -P`
// of OpenSSL 3.0.19 and, for many iterations, its libcrypto.
func TestDeriveMatchesOtherTools(t *testing.T) {
	t.Parallel()
	evp := func(hash crypto.Hash) keys.Derivation {
		return keys.Derivation{Function: keys.EVPBytesToKey, Hash: hash, Iterations: 1}
	}
	digest := func(hash crypto.Hash, encoding keys.Encoding, take int) keys.Derivation {
		return keys.Derivation{Function: keys.Digest, Hash: hash, Encoding: encoding, Take: take}
	}
	counter := func(hash crypto.Hash, after bool) keys.Derivation {
		return keys.Derivation{Function: keys.Counter, Hash: hash, Info: "\x03abcinfo", CounterAfter: after}
	}
	const salt, secret = "\x01\x02\x03\x04\x05\x06\x07\x08", "sk_test_4c1b"
	checkDerived(t, []derived{
		{"MD5", digest(crypto.MD5, keys.EncodeRaw, 0), secret, "", "190070f09e4969f511c4d3b44fc59599"},
		{"the digits of MD5", digest(crypto.MD5, keys.EncodeHex, 0), secret, "", hex.EncodeToString([]byte("190070f09e4969f511c4d3b44fc59599"))},
		{"the digits of MD5 in upper case", digest(crypto.MD5, keys.EncodeHexUpper, 0), secret, "", hex.EncodeToString([]byte("190070F09E4969F511C4D3B44FC59599"))},
		{"SHA-256", digest(crypto.SHA256, keys.EncodeRaw, 0), secret, "", "9fc356d39b17f19cd1a543a365fa179cb7aaa36d77dffbfce9e054a8ffe19e98"},
		{"the beginning of SHA-256", digest(crypto.SHA256, keys.EncodeRaw, 16), secret, "", "9fc356d39b17f19cd1a543a365fa179c"},
		{"the beginning of the base64 of SHA-256", digest(crypto.SHA256, keys.EncodeBase64, 32), secret, "", hex.EncodeToString([]byte("n8NW05sX8ZzRpUOjZfoXnLeqo2133/v8"))},
		{"the base64 of SHA-256 with padding", digest(crypto.SHA256, keys.EncodeBase64, 0), secret, "", hex.EncodeToString([]byte("n8NW05sX8ZzRpUOjZfoXnLeqo2133/v86eBUqP/hnpg="))},
		{"the base64url of SHA-256", digest(crypto.SHA256, keys.EncodeBase64URL, 0), secret, "", hex.EncodeToString([]byte("n8NW05sX8ZzRpUOjZfoXnLeqo2133_v86eBUqP_hnpg"))},
		{"the beginning of the digits of SHA-512", digest(crypto.SHA512, keys.EncodeHex, 32), secret, "", hex.EncodeToString([]byte("3bdca7ed170c7441410c4155fdaedcf6"))},

		{"EVP_BytesToKey with MD5", evp(crypto.MD5), passphrase, salt, "6f920a43e427bc52eb313ace899b93b1f97d81751def5647ebab3f3bb7d0f679e99863375e6eb096f347a8f7a07e8a27"},
		{"EVP_BytesToKey with MD5 and no salt", evp(crypto.MD5), passphrase, "", "9cc2ae8a1ba7a93da39b46fc1019c481f5eed4f36a1de6859cad92c665562831a898665fe1740c48a4c4d00d3b6dc17a"},
		{"EVP_BytesToKey with SHA-1", evp(crypto.SHA1), passphrase, salt, "6b18d7ae859dae32157f7f29d0851b75869066d4d8cd5276f9fe48f3dc44f49a2b68df33045d0984c935706d72b20f6b"},
		{"EVP_BytesToKey with SHA-256", evp(crypto.SHA256), passphrase, salt, "e1109d42d441bc0bd0491f46b649b77dce5b8523b6b19c635b652fd823f0622d6644c96e1a96de443a7d8d579c7eb7c9"},
		{"EVP_BytesToKey with SHA-384", evp(crypto.SHA384), passphrase, salt, "bce76af65878626f7b6da179891586fda2ee7cc69876da85594828af9ab8b6f3124e729c87353b97dc4fbb7092de7cf5"},
		{"EVP_BytesToKey with SHA-512", evp(crypto.SHA512), passphrase, salt, "f503ae483c5ef7e0f47613f71853d05add56a8f2e5425070538701896934b840c7f38e7d2ce9346c9489660f5a9dfb91"},
		{"EVP_BytesToKey for one digest only", evp(crypto.SHA256), "pw", salt, "92f2b861271d26f4c325658c3ca150cb"},
		{
			"EVP_BytesToKey with 1,000 iterations",
			keys.Derivation{Function: keys.EVPBytesToKey, Hash: crypto.SHA1, Iterations: 1000},
			passphrase, salt,
			"fe6713919d740f57f3d74a6deda222f6a23c298d21aedb74d4d5c4af0d3613c197c728e992df9a8a3eb1b2e01a9b3901",
		},

		// Python's cryptography: ConcatKDFHash and X963KDF.
		{"a counter", counter(crypto.SHA256, false), "a shared secret of some length", "", "f17143b9c88acb199e99f17ecc168184c46882c1d42a2559cb19cda9458f6a5c"},
		{"the beginning of a counter", counter(crypto.SHA256, false), "a shared secret of some length", "", "f17143b9c88acb199e99f17ecc168184"},
		{"several counters", counter(crypto.SHA256, false), "a shared secret of some length", "", "f17143b9c88acb199e99f17ecc168184c46882c1d42a2559cb19cda9458f6a5c0b7e1c70861a321ca8e2fa38d99bad1636fdb7f14e45d7cf6cbfa73a38654cb28b2d4b83fbff0b210aba552977e61a0b"},
		{"counters after the secret", counter(crypto.SHA384, true), "a shared secret of some length", "", "12c44079e81a3871f7fe7df8e995af3bf563d0033424a414830b15ecc843d1853b2cc80acf6974d820faa7b704e1976dc13666fc07a7df6ca90a57a156a6efe23444dddbe83ad093922460f7752f8e1d"},
	})
}

func TestDeriveMatchesStandards(t *testing.T) {
	t.Parallel()
	pbkdf2 := func(hash crypto.Hash, iterations int) keys.Derivation {
		return keys.Derivation{Function: keys.PBKDF2, Hash: hash, Iterations: iterations}
	}
	hkdf := func(hash crypto.Hash, info string) keys.Derivation {
		return keys.Derivation{Function: keys.HKDF, Hash: hash, Info: info}
	}
	const ikm, salt5869, info5869 = "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
		"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9"
	checkDerived(t, []derived{
		{"PBKDF2 of RFC 6070, 1 iteration", pbkdf2(crypto.SHA1, 1), "password", "salt", "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
		{"PBKDF2 of RFC 6070, 2 iterations", pbkdf2(crypto.SHA1, 2), "password", "salt", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
		{"PBKDF2 of RFC 6070, 4,096 iterations", pbkdf2(crypto.SHA1, 4096), "password", "salt", "4b007901b765489abead49d926f721d065a429c1"},
		{
			"PBKDF2 of RFC 6070, more than one block", pbkdf2(crypto.SHA1, 4096), "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt",
			"3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038",
		},
		{"PBKDF2 of RFC 6070, zero bytes", pbkdf2(crypto.SHA1, 4096), "pass\x00word", "sa\x00lt", "56fa6aa75548099dcc37d7f03425e0c3"},
		{
			"PBKDF2 of RFC 7914, 1 iteration", pbkdf2(crypto.SHA256, 1), "passwd", "salt",
			"55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
		},
		{
			"PBKDF2 of RFC 7914, 80,000 iterations", pbkdf2(crypto.SHA256, 80000), "Password", "NaCl",
			"4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
		},

		{
			"scrypt of RFC 7914, the smallest",
			keys.Derivation{Function: keys.Scrypt, N: 16, R: 1, P: 1},
			"", "",
			"77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906",
		},
		{
			"scrypt of RFC 7914, 16 MiB",
			keys.Derivation{Function: keys.Scrypt, N: 16384, R: 8, P: 1},
			"pleaseletmein", "SodiumChloride",
			"7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887",
		},

		{"HKDF of RFC 5869, test 1", hkdf(crypto.SHA256, info5869), ikm, salt5869, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
		{"HKDF of RFC 5869, test 3", hkdf(crypto.SHA256, ""), ikm, "", "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
		{"HKDF of RFC 5869, test 4", hkdf(crypto.SHA1, info5869), ikm[:11], salt5869, "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896"},
	})
}

// derived is an expected key.
type derived struct {
	name         string
	derivation   keys.Derivation
	secret, salt string
	want         string // in hexadecimal
}

func checkDerived(t *testing.T, tests []derived) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secret := []byte(tt.secret)
			got, err := tt.derivation.Derive(secret, []byte(tt.salt), len(tt.want)/2)
			if err != nil || hex.EncodeToString(got) != tt.want {
				t.Errorf("Derive = %x, %v, want %s", got, err, tt.want)
			}
			if string(secret) != tt.secret {
				t.Error("Derive changes the secret")
			}
		})
	}
}

func TestCheckNamesTheParameterThatCannotWork(t *testing.T) {
	t.Parallel()
	pbkdf2 := keys.Derivation{Function: keys.PBKDF2, Hash: crypto.SHA256, Iterations: 1000}
	scrypt := keys.Derivation{Function: keys.Scrypt, N: 16384, R: 8, P: 1}
	digest := keys.Derivation{Function: keys.Digest, Hash: crypto.SHA256}
	hkdf := keys.Derivation{Function: keys.HKDF, Hash: crypto.SHA256}
	with := func(d keys.Derivation, change func(*keys.Derivation)) keys.Derivation {
		change(&d)
		return d
	}
	tests := []struct {
		name       string
		derivation keys.Derivation
		n          int
		want       string
	}{
		{"no function", keys.Derivation{}, 16, "function"},
		{"an unknown function", keys.Derivation{Function: keys.Counter + 1, Hash: crypto.SHA256}, 16, "function"},
		{"no bytes", pbkdf2, 0, "function"},
		{"fewer than no bytes", hkdf, -1, "function"},
		{"more bytes than any key has", hkdf, 129, "function"},
		{"no hash", with(hkdf, func(d *keys.Derivation) { d.Hash = 0 }), 16, "hash"},
		{"a hash that does not exist", with(hkdf, func(d *keys.Derivation) { d.Hash = 99 }), 16, "hash"},
		{"a hash that is not linked in", with(digest, func(d *keys.Derivation) { d.Hash = crypto.MD4 }), 16, "hash"},
		{"MD5 under PBKDF2", with(pbkdf2, func(d *keys.Derivation) { d.Hash = crypto.MD5 }), 16, "hash"},
		{"no iterations", with(pbkdf2, func(d *keys.Derivation) { d.Iterations = 0 }), 16, "iterations"},
		{"too many iterations", with(pbkdf2, func(d *keys.Derivation) { d.Iterations = 2_000_001 }), 16, "iterations"},
		{"no iterations of EVP_BytesToKey", keys.Derivation{Function: keys.EVPBytesToKey, Hash: crypto.MD5}, 16, "iterations"},
		{"a cost that is not a power of two", with(scrypt, func(d *keys.Derivation) { d.N = 16383 }), 16, "n"},
		{"a cost of one", with(scrypt, func(d *keys.Derivation) { d.N = 1 }), 16, "n"},
		{"the smallest number as cost", with(scrypt, func(d *keys.Derivation) { d.N = math.MinInt }), 16, "n"},
		{"more memory than allowed", with(scrypt, func(d *keys.Derivation) { d.N, d.R = 65536, 9 }), 16, "n"},
		{"no block size", with(scrypt, func(d *keys.Derivation) { d.R = 0 }), 16, "r"},
		{"no parallelisation", with(scrypt, func(d *keys.Derivation) { d.P = 0 }), 16, "p"},
		{"too much parallelization", with(scrypt, func(d *keys.Derivation) { d.P = 5 }), 16, "p"},
		{"a long info", with(hkdf, func(d *keys.Derivation) { d.Info = strings.Repeat("i", 257) }), 16, "info"},
		{"an unknown encoding", with(digest, func(d *keys.Derivation) { d.Encoding = keys.EncodeBase64URL + 1 }), 16, "encoding"},
		{"a digest that is longer than the key", digest, 16, "take"},
		{"a digest that is shorter than the key", digest, 48, "take"},
		{"less of the digest than the key", with(digest, func(d *keys.Derivation) { d.Take = 16 }), 32, "take"},
		{"more than the digest", with(digest, func(d *keys.Derivation) { d.Take = 33 }), 33, "take"},
		{"less than nothing", with(digest, func(d *keys.Derivation) { d.Take = -1 }), 32, "take"},
		{"the digits of a digest for its bytes", with(digest, func(d *keys.Derivation) { d.Encoding = keys.EncodeHex }), 32, "take"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, finding := tt.derivation.Check(tt.n); got != tt.want || finding == "" {
				t.Errorf("Check = %q, %q, want a violation of %q", got, finding, tt.want)
			}
			if key, err := tt.derivation.Derive([]byte("secret"), nil, tt.n); !errors.Is(err, keys.ErrParameters) || key != nil {
				t.Errorf("Derive = %x, %v, want ErrParameters", key, err)
			}
		})
	}
}

// TestLongerDerivationBeginsWithTheShorterOne checks the property that an IV derived after the
// key relies on.
func TestLongerDerivationBeginsWithTheShorterOne(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]keys.Derivation{
		"EVP_BytesToKey": {Function: keys.EVPBytesToKey, Hash: crypto.MD5, Iterations: 2},
		"PBKDF2":         {Function: keys.PBKDF2, Hash: crypto.SHA256, Iterations: 2},
		"scrypt":         {Function: keys.Scrypt, N: 2, R: 1, P: 1},
		"HKDF":           {Function: keys.HKDF, Hash: crypto.SHA256},
	} {
		whole, err := d.Derive([]byte(passphrase), []byte("salt"), 128)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := 1; n < 128; n++ {
			if key, err := d.Derive([]byte(passphrase), []byte("salt"), n); err != nil || !bytes.Equal(key, whole[:n]) {
				t.Fatalf("%s: %d bytes are %x, %v, want %x", name, n, key, err, whole[:n])
			}
		}
	}
}
