package jose_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// named reports whether the error is one of the documented errors for refused messages.
func named(err error) bool {
	for _, one := range []error{jose.ErrMessage, jose.ErrUnwrap, jose.ErrDecrypt, jose.ErrSignature} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// FuzzDecrypt checks that any message is decrypted or refused, under each kind of algorithm.
func FuzzDecrypt(f *testing.F) {
	ecKey := storedKey(f, "keys/ec_priv.pem")
	profiles := []struct {
		j           jose.JWE
		write, read any
	}{
		{jose.JWE{Alg: "dir", Enc: "A256GCM", GCMIVBytes: 16, Lenient: true}, secret[:32], secret[:32]},
		{jose.JWE{Alg: "dir", Enc: "A128CBC-HS256"}, secret[:32], secret[:32]},
		{jose.JWE{Alg: "A128KW", Enc: "A128GCM"}, secret[:16], secret[:16]},
		{jose.JWE{Alg: "A256GCMKW", Enc: "A192CBC-HS384"}, secret[:32], secret[:32]},
		{jose.JWE{Alg: "ECDH-ES+A256KW", Enc: "A256CBC-HS512"}, public(ecKey), ecKey},
		{jose.JWE{Alg: "ECDH-ES", Enc: "A256GCM"}, public(ecKey), ecKey},
	}
	for _, p := range profiles {
		f.Add([]byte(encrypt(f, p.j, p.write, sample)))
	}
	f.Add([]byte("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwiemlwIjoiREVGIn0..AAAA.AAAA.AAAA"))
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, p := range profiles {
			if _, _, err := decrypt(p.j, string(message), p.read); err != nil && !named(err) {
				t.Errorf("Decrypt as %s = %v", p.j.Alg, err)
			}
		}
	})
}

// FuzzHeader checks the same for any protected header.
func FuzzHeader(f *testing.F) {
	ecKey := storedKey(f, "keys/ec_priv.pem")
	j := jose.JWE{Alg: "ECDH-ES", Enc: "A256GCM"}
	message := encrypt(f, j, public(ecKey), sample)
	for _, header := range []string{
		`{"alg":"ECDH-ES","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},"apu":"QQ","apv":"QQ"}`,
		`{"alg":"ECDH-ES","enc":"A256GCM","crit":["b64"],"b64":false}`,
		`{"\u0061lg":"ECDH-ES","enc":"A256GCM","zip":"DEF"}`,
		`[]`, `{}`, ``,
	} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if _, _, err := decrypt(j, protected(message, header), ecKey); err == nil || !named(err) {
			t.Errorf("Decrypt with another header = %v", err)
		}
	})
}

// FuzzVerify checks that any signature is valid or refused.
func FuzzVerify(f *testing.F) {
	for alg, p := range signings() {
		if alg[0] != 'H' {
			continue // other keys differ in every process
		}
		compact, err := jose.JWS{Alg: alg}.Sign(now, rand.Reader, p.write, []byte(sample))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(compact)
		f.Add([]byte(flattened(string(compact), `"header":{"kid":"x"},`)))
	}
	ecKey := public(storedKey(f, "keys/ec_priv.pem"))
	f.Add([]byte("eyJhbGciOiJFUzI1NiJ9..DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for alg, key := range map[string]any{"HS256": secret[:32], "HS512": secret, "ES256": ecKey} {
			for _, j := range []jose.JWS{{Alg: alg}, {Alg: alg, Unencoded: true}} {
				if _, err := j.VerifyDetached([]any{key}, text, []byte(sample)); err != nil && !named(err) {
					t.Errorf("VerifyDetached as %s = %v", alg, err)
				}
			}
			for _, j := range []jose.JWS{{Alg: alg}, {Alg: alg, Serialization: jose.Flattened}, {Alg: alg, Serialization: jose.FlattenedHeader}} {
				if _, _, err := j.Verify([]any{key}, text); err != nil && !named(err) {
					t.Errorf("Verify as %s = %v", alg, err)
				}
			}
		}
	})
}

// FuzzRoundTrip checks that every written message can be read, and in only one way.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte(sample), "k-1", true)
	f.Add([]byte{}, "", false)
	f.Fuzz(func(t *testing.T, plaintext []byte, kid string, cbc bool) {
		if len(kid) > 1024 {
			return // the header may exceed the limit for reading
		}
		j := jose.JWE{Alg: "dir", Enc: "A256GCM", Header: map[string]string{"kid": kid}}
		if cbc {
			j.Enc = "A128CBC-HS256"
		}
		message, err := j.Encrypt(now, rand.Reader, secret[:32], plaintext)
		if errors.Is(err, jose.ErrOptions) {
			return // a kid that is not UTF-8
		}
		if err != nil {
			t.Fatalf("Encrypt: %v", err)
		}
		if got, _, err := decrypt(j, string(message), secret[:32]); err != nil || got != string(plaintext) {
			t.Errorf("Decrypt = %q, %v, want %q", got, err, plaintext)
		}
	})
}
