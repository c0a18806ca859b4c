package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/internal/wycheproof"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// hashOf returns the hash by its name in the vectors.
func hashOf(t testing.TB, name string) crypto.Hash {
	t.Helper()
	for _, hash := range []crypto.Hash{
		crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA512_224, crypto.SHA512_256,
	} {
		if hash.String() == name {
			return hash
		}
	}
	t.Fatalf("no hash %q", name)
	return 0
}

type rsaGroup struct {
	KeySize         int
	Sha, MgfSha     string
	PrivateKeyPkcs8 wycheproof.Hex
	PrivateKeyPem   string
}

type rsaTest struct {
	wycheproof.Case
	Msg, Ct, Label wycheproof.Hex
}

// parser parses each key once: a file has many tests and few keys.
type parser map[string]parsed

type parsed struct {
	key crypto.PrivateKey
	err error
}

func (p parser) parse(text string) (crypto.PrivateKey, error) {
	got, ok := p[text]
	if !ok {
		got.key, _, got.err = keyform.ParsePrivate([]byte(text))
		p[text] = got
	}
	return got.key, got.err
}

func TestWycheproofOAEP(t *testing.T) {
	t.Parallel()
	for _, file := range []string{
		"oaep_2048_sha1_mgf1sha1", "oaep_2048_sha256_mgf1sha1", "oaep_2048_sha256_mgf1sha256", "oaep_2048_sha384_mgf1sha1",
		"oaep_2048_sha384_mgf1sha384", "oaep_2048_sha512_mgf1sha1", "oaep_2048_sha512_mgf1sha512", "oaep_3072_sha256_mgf1sha1",
		"oaep_3072_sha256_mgf1sha256", "oaep_3072_sha512_mgf1sha1", "oaep_3072_sha512_mgf1sha512", "oaep_4096_sha256_mgf1sha1",
		"oaep_4096_sha256_mgf1sha256", "oaep_4096_sha512_mgf1sha1", "oaep_4096_sha512_mgf1sha512", "oaep_misc",
		"three_primes_oaep_2048_sha1_mgf1sha1", "three_primes_oaep_3072_sha224_mgf1sha224", "three_primes_oaep_4096_sha256_mgf1sha256",
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			all := parser{}
			wycheproof.Each(t, "rsa_"+file+"_test.json", func(g rsaGroup, tt rsaTest) {
				if g.KeySize > 4096 && g.Sha != g.MgfSha {
					return // the same three keys; parsing takes a tenth of a second
				}
				key, err := all.parse(g.PrivateKeyPem)
				if g.KeySize < 2048 {
					if !errors.Is(err, keys.ErrKey) {
						t.Errorf("a key of %d bits parses", g.KeySize)
					}
					return
				}
				if err != nil {
					t.Fatalf("ParsePrivate = %v", err)
				}
				oaep := keys.OAEP{Hash: hashOf(t, g.Sha), MGF1: hashOf(t, g.MgfSha), Label: string(tt.Label)}
				got, err := oaep.Unwrap(key, tt.Ct)
				checkOpened(t, tt, got, err)
			})
		})
	}
}

func checkOpened(t *testing.T, tt rsaTest, got []byte, err error) {
	t.Helper()
	switch {
	case err == nil && (tt.Invalid() || !bytes.Equal(got, tt.Msg)):
		t.Errorf("%v decrypts as %x", tt, got)
	case err != nil && tt.Valid():
		t.Errorf("%v: %v", tt, err)
	case err != nil && (!errors.Is(err, keys.ErrUnwrap) || got != nil):
		t.Errorf("%v: %x, %v, want ErrUnwrap", tt, got, err)
	}
}

func TestWycheproofPKCS1v15(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"2048", "3072", "4096"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			all := parser{}
			wycheproof.Each(t, "rsa_pkcs1_"+size+"_test.json", func(g rsaGroup, tt rsaTest) {
				key, err := all.parse(g.PrivateKeyPem)
				if err != nil {
					t.Fatalf("ParsePrivate = %v", err)
				}
				got, err := keys.PKCS1v15{}.Decrypt(key, tt.Ct)
				checkOpened(t, tt, got, err)
				checkSessionKey(t, g, tt, key)
			})
		})
	}
}

// checkSessionKey checks that a wrong padding produces another key, always the same, and has no
// other visible effect.
func checkSessionKey(t *testing.T, g rsaGroup, tt rsaTest, key crypto.PrivateKey) {
	t.Helper()
	n := 16
	if tt.Valid() && len(tt.Msg) >= n {
		n = len(tt.Msg)
	}
	got, err := keys.PKCS1v15{}.UnwrapKey(key, tt.Ct, n)
	again, _ := keys.PKCS1v15{}.UnwrapKey(key, tt.Ct, n)
	seen := slices.Contains(tt.Flags, "InvalidCiphertextFormat") // by everybody
	opens := tt.Valid() && len(tt.Msg) == n
	if (err != nil) != seen || !seen && len(got) != n || opens != bytes.Equal(got, tt.Msg) || !bytes.Equal(again, got) {
		t.Errorf("%v: UnwrapKey = %x and %x, %v, want %x: %v", tt, got, again, err, tt.Msg, opens)
	}
}

func TestWycheproofHKDF(t *testing.T) {
	t.Parallel()
	type test struct {
		wycheproof.Case
		Ikm, Salt, Info, Okm wycheproof.Hex
		Size                 int
	}
	for file, hash := range map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		made := 0
		wycheproof.Each(t, "hkdf_"+file+"_test.json", func(_ struct{}, tt test) {
			d := keys.Derivation{Function: keys.HKDF, Hash: hash, Info: string(tt.Info)}
			got, err := d.Derive(tt.Ikm, tt.Salt, tt.Size)
			if parameter, _ := d.Check(tt.Size); parameter != "" || tt.Invalid() {
				if !errors.Is(err, keys.ErrParameters) {
					t.Errorf("%s, %v: Derive of %d bytes = %v, want ErrParameters", file, tt, tt.Size, err)
				}
				return
			}
			made++
			if err != nil || !bytes.Equal(got, tt.Okm) {
				t.Errorf("%s, %v: Derive = %x, %v, want %x", file, tt, got, err, tt.Okm)
			}
		})
		if made < 50 {
			t.Errorf("%s: only %d tests have accepted parameters", file, made)
		}
	}
}

func TestWycheproofPBKDF2(t *testing.T) {
	t.Parallel()
	type test struct {
		wycheproof.Case
		Password, Salt, Dk    wycheproof.Hex
		IterationCount, DkLen int
	}
	for file, hash := range map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		made := 0
		wycheproof.Each(t, "pbkdf2_hmac"+file+"_test.json", func(_ struct{}, tt test) {
			d := keys.Derivation{Function: keys.PBKDF2, Hash: hash, Iterations: tt.IterationCount}
			got, err := d.Derive(tt.Password, tt.Salt, tt.DkLen)
			if parameter, _ := d.Check(tt.DkLen); parameter != "" {
				if !errors.Is(err, keys.ErrParameters) {
					t.Errorf("%s, %v: Derive of %d bytes = %v, want ErrParameters", file, tt, tt.DkLen, err)
				}
				return
			}
			made++
			if err != nil || !bytes.Equal(got, tt.Dk) {
				t.Errorf("%s, %v: Derive = %x, %v, want %x", file, tt, got, err, tt.Dk)
			}
		})
		if made < 50 {
			t.Errorf("%s: only %d tests have accepted parameters", file, made)
		}
	}
}

func TestWycheproofAESKeyWrap(t *testing.T) {
	t.Parallel()
	type test struct {
		wycheproof.Case
		Key, Msg, Ct wycheproof.Hex
	}
	wycheproof.Each(t, "aes_wrap_test.json", func(_ struct{}, tt test) {
		got, err := keys.UnwrapAES(tt.Key, tt.Ct)
		switch {
		case tt.Valid() && (err != nil || !bytes.Equal(got, tt.Msg)):
			t.Errorf("%v: UnwrapAES = %x, %v, want %x", tt, got, err, tt.Msg)
		case !tt.Valid() && (!errors.Is(err, keys.ErrUnwrap) || got != nil): // `acceptable` are keys of 8 bytes, which the RFC does not have
			t.Errorf("%v: UnwrapAES = %x, %v, want ErrUnwrap", tt, got, err)
		}
		if !tt.Valid() {
			return
		}
		if got, err := keys.WrapAES(tt.Key, tt.Msg); err != nil || !bytes.Equal(got, tt.Ct) {
			t.Errorf("%v: WrapAES = %x, %v, want %x", tt, got, err, tt.Ct)
		}
	})
}

// ecdhTest has keys as numbers, points, DER, or PEM, depending on the file.
type ecdhTest struct {
	wycheproof.Case
	Public, Private string
	Shared          wycheproof.Hex
}

func TestWycheproofECDHPoints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file    string
		curve   keys.Curve
		private func([]byte) (*ecdh.PrivateKey, error)
	}{
		{"x25519_test.json", keys.X25519, ecdh.X25519().NewPrivateKey},
		{"ecdh_secp256r1_ecpoint_test.json", keys.P256, ecdh.P256().NewPrivateKey},
		{"ecdh_secp384r1_ecpoint_test.json", keys.P384, ecdh.P384().NewPrivateKey},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			wycheproof.Each(t, tt.file, func(_ struct{}, test ecdhTest) {
				// Numbers have as many digits as they need, and one more for the sign.
				number := strings.TrimLeft(test.Private, "0")
				size := (tt.curve.EphemeralLen() - 1) / 2
				if tt.curve == keys.X25519 {
					number, size = test.Private, 32
				}
				key, err := tt.private(unhex(t, strings.Repeat("0", 2*size-len(number))+number))
				if err != nil {
					t.Fatalf("%v: private key: %v", test, err)
				}
				got, err := tt.curve.Decapsulate(key, unhex(t, test.Public))
				checkAgreed(t, test, got, err)
			})
		})
	}
}

// checkAgreed accepts either result for `acceptable` cases, except for two rules of ours: a
// shared secret of zeros is refused, and compressed points are not read.
func checkAgreed(t *testing.T, tt ecdhTest, got []byte, err error) {
	t.Helper()
	refused := tt.Invalid() || slices.Contains(tt.Flags, "ZeroSharedSecret") || slices.Contains(tt.Flags, "CompressedPoint")
	switch {
	case refused && (!errors.Is(err, keys.ErrUnwrap) || got != nil):
		t.Errorf("%v: %x, %v, want ErrUnwrap", tt, got, err)
	case !refused && (err != nil || !bytes.Equal(got, tt.Shared)):
		t.Errorf("%v: %x, %v, want %x", tt, got, err, tt.Shared)
	}
}

// TestWycheproofStoredKeys uses stored keys, as PEM and as DER, on both sides. X25519 and P-256
// do not reveal which side generated its key for one exchange.
func TestWycheproofStoredKeys(t *testing.T) {
	t.Parallel()
	for file, curve := range map[string]keys.Curve{
		"x25519_pem_test.json": keys.X25519, "x25519_asn_test.json": keys.X25519, "ecdh_secp256r1_pem_test.json": keys.P256,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			agreed := 0
			wycheproof.Each(t, file, func(_ struct{}, tt ecdhTest) {
				private, public := []byte(tt.Private), []byte(tt.Public)
				if strings.Contains(file, "_asn_") {
					private, public = unhex(t, tt.Private), unhex(t, tt.Public)
				}
				key, _, err := keyform.ParsePrivate(private)
				if err != nil {
					if tt.Valid() {
						t.Errorf("%v: ParsePrivate = %v", tt, err)
					}
					return
				}
				static, _, err := keyform.ParsePublic(public)
				if err != nil {
					if tt.Valid() {
						t.Errorf("%v: ParsePublic = %v", tt, err)
					}
					return
				}
				if tt.Invalid() {
					if ephemeral, _, err := curve.Encapsulate(strings.NewReader(""), static); err == nil {
						t.Errorf("%v: Encapsulate = %x, want an error", tt, ephemeral)
					}
					return
				}
				got, err := curve.Decapsulate(key, pointOf(t, static))
				if err == nil {
					agreed++
				}
				checkAgreed(t, tt, got, err)
			})
			if agreed < 300 {
				t.Errorf("only %d keys agree", agreed)
			}
		})
	}
}

func pointOf(t *testing.T, public crypto.PublicKey) []byte {
	t.Helper()
	switch key := public.(type) {
	case *ecdh.PublicKey:
		return key.Bytes()
	case interface {
		ECDH() (*ecdh.PublicKey, error)
	}:
		converted, err := key.ECDH()
		if err != nil {
			t.Fatal(err)
		}
		return converted.Bytes()
	default:
		t.Fatalf("a public key of type %T", public)
		return nil
	}
}
