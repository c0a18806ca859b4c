package jose_test

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// known reports whether the library has the algorithm for the key.
func known(p pair) bool { return p.name != "X25519" }

func TestGoJoseAndTheEngineOpenEachOther(t *testing.T) {
	t.Parallel()
	for _, enc := range contents {
		for alg, pairs := range managements(enc) {
			for _, p := range pairs {
				if !known(p) {
					continue
				}
				t.Run(strings.Join([]string{alg, enc, p.name}, " "), func(t *testing.T) {
					t.Parallel()
					j := jose.JWE{Alg: alg, Enc: enc, Header: map[string]string{"kid": "k-1", "typ": "JOSE"}}
					for _, plaintext := range []string{"", "x", sample, strings.Repeat(sample, 100)} {
						parsed, err := library.ParseEncryptedCompact(encrypt(t, j, p.write, plaintext),
							[]library.KeyAlgorithm{library.KeyAlgorithm(alg)}, []library.ContentEncryption{library.ContentEncryption(enc)})
						if err != nil {
							t.Fatalf("go-jose does not parse the output of Encrypt: %v", err)
						}
						if got, err := parsed.Decrypt(p.read); err != nil || string(got) != plaintext {
							t.Errorf("go-jose decrypts the output of Encrypt as %d bytes, %v, want %d", len(got), err, len(plaintext))
						}
						message := theirs(t, alg, enc, p, plaintext)
						if got, _, err := decrypt(j, message, p.read); err != nil || got != plaintext {
							t.Errorf("Decrypt of the output of go-jose = %d bytes, %v, want %d", len(got), err, len(plaintext))
						}
					}
				})
			}
		}
	}
}

// theirs lets go-jose encrypt.
func theirs(t *testing.T, alg, enc string, p pair, plaintext string) string {
	t.Helper()
	e, err := library.NewEncrypter(library.ContentEncryption(enc), library.Recipient{Algorithm: library.KeyAlgorithm(alg), Key: p.write}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := e.Encrypt([]byte(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	message, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// standardSignings returns the signing algorithms that go-jose has.
func standardSignings() map[string]pair {
	all := signings()
	delete(all, "ES256K")
	return all
}

func TestGoJoseAndTheEngineVerifyEachOther(t *testing.T) {
	t.Parallel()
	all := standardSignings()
	for _, alg := range slices.Sorted(maps.Keys(all)) {
		p := all[alg]
		j := jose.JWS{Alg: alg, Header: map[string]string{"kid": "k-1"}}
		algs := []library.SignatureAlgorithm{library.SignatureAlgorithm(alg)}
		for _, payload := range []string{"", "x", sample, strings.Repeat(sample, 100)} {
			compact, err := j.Sign(now, rand.Reader, p.write, []byte(payload))
			if err != nil {
				t.Fatalf("%s: Sign: %v", alg, err)
			}
			parsed, err := library.ParseSignedCompact(string(compact), algs)
			if err != nil {
				t.Fatalf("%s: go-jose does not parse the output of Sign: %v", alg, err)
			}
			if got, err := parsed.Verify(p.read); err != nil || string(got) != payload {
				t.Errorf("%s: go-jose verifies the output of Sign as %q, %v", alg, got, err)
			}
			detached, err := j.SignDetached(now, rand.Reader, p.write, []byte(payload))
			if err != nil {
				t.Fatalf("%s: SignDetached: %v", alg, err)
			}
			if parsed, err = library.ParseDetached(string(detached), []byte(payload), algs); err != nil {
				t.Fatalf("%s: go-jose does not parse the output of SignDetached: %v", alg, err)
			}
			if err := parsed.DetachedVerify([]byte(payload), p.read); err != nil {
				t.Errorf("%s: go-jose does not verify the output of SignDetached: %v", alg, err)
			}
			checkTheirs(t, j, p, payload)
		}
	}
}

// checkTheirs lets go-jose sign.
func checkTheirs(t *testing.T, j jose.JWS, p pair, payload string) {
	t.Helper()
	s, err := library.NewSigner(library.SigningKey{Algorithm: library.SignatureAlgorithm(j.Alg), Key: p.write}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := j.Verify([]any{p.read}, []byte(compact)); err != nil || string(got) != payload {
		t.Errorf("%s: Verify of the output of go-jose = %q, %v", j.Alg, got, err)
	}
	detached, err := object.DetachedCompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.VerifyDetached([]any{p.read}, []byte(detached), []byte(payload)); err != nil {
		t.Errorf("%s: VerifyDetached of the output of go-jose: %v", j.Alg, err)
	}
}

func TestGoJoseAndTheEngineAgreeOnUnencodedPayloads(t *testing.T) {
	t.Parallel()
	p := keyRing()["RSA"]
	j := jose.JWS{Alg: "PS256", Unencoded: true}
	text, err := j.SignDetached(now, rand.Reader, p.read, []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := library.ParseDetached(string(text), []byte(sample), []library.SignatureAlgorithm{library.PS256})
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.DetachedVerify([]byte(sample), p.write); err != nil {
		t.Errorf("go-jose does not verify the output of SignDetached: %v", err)
	}
	s, err := library.NewSigner(library.SigningKey{Algorithm: library.PS256, Key: p.read}, (&library.SignerOptions{}).WithBase64(false))
	if err != nil {
		t.Fatal(err)
	}
	object, err := s.Sign([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	detached, err := object.DetachedCompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.VerifyDetached([]any{p.write}, []byte(detached), []byte(sample)); err != nil {
		t.Errorf("VerifyDetached of the output of go-jose: %v", err)
	}
}
