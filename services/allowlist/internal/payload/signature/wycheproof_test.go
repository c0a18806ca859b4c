package signature_test

import (
	"crypto"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/internal/wycheproof"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
)

func TestWycheproofMACs(t *testing.T) {
	t.Parallel()
	type group struct{ TagSize int }
	type test struct {
		wycheproof.Case
		Key, Msg, Tag wycheproof.Hex
	}
	for file, hash := range map[string]crypto.Hash{"sha1": crypto.SHA1, "sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512} {
		c := over("${body}")
		c.Scheme = signature.NewHMAC(hash)
		s := compile(t, c)
		wycheproof.Each(t, "hmac_"+file+"_test.json", func(g group, tt test) {
			// Some tags are truncated, which is valid for the vectors. Ours are never truncated.
			want := tt.Valid() && g.TagSize == 8*hash.Size()
			checkWycheproof(t, s, file+" "+tt.String(), []byte(tt.Key), tt.Msg, tt.Tag, want)
		})
	}
}

func TestWycheproofSignatures(t *testing.T) {
	t.Parallel()
	type group struct{ PublicKeyDer wycheproof.Hex }
	type test struct {
		wycheproof.Case
		Msg, Sig wycheproof.Hex
	}
	for file, scheme := range map[string]signature.Scheme{
		"rsa_signature_2048_sha256":    signature.RSA{Hash: crypto.SHA256},
		"rsa_signature_2048_sha384":    signature.RSA{Hash: crypto.SHA384},
		"rsa_signature_3072_sha512":    signature.RSA{Hash: crypto.SHA512},
		"rsa_signature_4096_sha256":    signature.RSA{Hash: crypto.SHA256},
		"rsa_signature_8192_sha512":    signature.RSA{Hash: crypto.SHA512},
		"rsa_pss_2048_sha256_mgf1_32":  signature.RSA{Hash: crypto.SHA256, PSS: true},
		"rsa_pss_3072_sha256_mgf1_32":  signature.RSA{Hash: crypto.SHA256, PSS: true},
		"rsa_pss_2048_sha384_mgf1_48":  signature.RSA{Hash: crypto.SHA384, PSS: true},
		"rsa_pss_4096_sha512_mgf1_64":  signature.RSA{Hash: crypto.SHA512, PSS: true},
		"ecdsa_secp256r1_sha256":       signature.ECDSA{Hash: crypto.SHA256},
		"ecdsa_secp256r1_sha256_p1363": signature.ECDSA{Hash: crypto.SHA256, P1363: true},
		"ecdsa_secp384r1_sha384":       signature.ECDSA{Hash: crypto.SHA384},
		"ecdsa_secp384r1_sha384_p1363": signature.ECDSA{Hash: crypto.SHA384, P1363: true},
		"ed25519":                      signature.Ed25519{},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			c := over("${body}")
			c.Scheme = scheme
			s := compile(t, c)
			wycheproof.Each(t, file+"_test.json", func(g group, tt test) {
				key, _, err := keyform.ParsePublic(g.PublicKeyDer)
				if err != nil {
					t.Fatal(err)
				}
				if tt.Valid() || tt.Invalid() {
					checkWycheproof(t, s, tt.String(), key, tt.Msg, tt.Sig, tt.Valid())
				}
			})
		})
	}
}

// TestWycheproofPSSWithAnotherSaltIsRefused checks that PSS requires the configured salt length.
func TestWycheproofPSSWithAnotherSaltIsRefused(t *testing.T) {
	t.Parallel()
	type group struct{ PublicKeyDer wycheproof.Hex }
	type test struct {
		wycheproof.Case
		Msg, Sig wycheproof.Hex
	}
	for file, hash := range map[string]crypto.Hash{"2048_sha256_mgf1_0": crypto.SHA256, "4096_sha512_mgf1_32": crypto.SHA512, "2048_sha256_mgf1sha1_20": crypto.SHA256} {
		c := over("${body}")
		c.Scheme = signature.RSA{Hash: hash, PSS: true}
		s := compile(t, c)
		wycheproof.Each(t, "rsa_pss_"+file+"_test.json", func(g group, tt test) {
			key, _, err := keyform.ParsePublic(g.PublicKeyDer)
			if err != nil {
				t.Fatal(err)
			}
			if tt.Valid() {
				checkWycheproof(t, s, file+" "+tt.String(), key, tt.Msg, tt.Sig, false)
			}
		})
	}
}

// checkWycheproof verifies a signature in a header.
func checkWycheproof(t *testing.T, s *signature.Signer, what string, key any, msg, sig []byte, want bool) {
	t.Helper()
	headers := received(map[string]string{"x-signature": hex.EncodeToString(sig)})
	_, err := s.Verify([]any{key}, signature.Message{Body: msg, Time: now()}, headers)
	if (err == nil) != want || err != nil && !errors.Is(err, signature.ErrInvalid) {
		t.Errorf("%s: Verify = %v, want ok %v", what, err, want)
	}
}
