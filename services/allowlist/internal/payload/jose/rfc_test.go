package jose_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// The examples of RFC 7520 are among Wycheproof's.

func TestExampleOfRFC7516ComesOutByteForByte(t *testing.T) {
	t.Parallel()
	// Appendix A.3, with its content key and IV.
	const want = "eyJhbGciOiJBMTI4S1ciLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0." +
		"6KB707dM9YTIgHtLvtgWQ8mKwboJW3of9locizkDTHzBC2IlrT1oOQ." +
		"AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.U0m_YmjN04DJvceFICbCVQ"
	drawn := bytes.NewReader([]byte{
		4, 211, 31, 197, 84, 157, 252, 254, 11, 100, 157, 250, 63, 170, 106, 206,
		107, 124, 212, 45, 111, 107, 9, 219, 200, 177, 0, 240, 143, 156, 44, 207,
		3, 22, 60, 12, 43, 67, 104, 105, 108, 108, 105, 99, 111, 116, 104, 101,
	})
	key := unb64(t, "GawgguFyGrWKav7AX4VKUg")
	j := jose.JWE{Alg: "A128KW", Enc: "A128CBC-HS256"}
	got, err := j.Encrypt(now, drawn, key, []byte("Live long and prosper."))
	if err != nil || string(got) != want {
		t.Errorf("Encrypt = %s, %v", got, err)
	}
	if got, _, err := decrypt(j, want, key); err != nil || got != "Live long and prosper." {
		t.Errorf("Decrypt = %q, %v", got, err)
	}
}

func TestExamplesOfRFC7515Verify(t *testing.T) {
	t.Parallel()
	const claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	point := slices.Concat([]byte{4}, unb64(t, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), unb64(t, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"))
	tests := []struct {
		name, alg string
		key       any
		compact   string
	}{
		{
			"appendix A.1", "HS256", unb64(t, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + claims + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		},
		{
			"appendix A.3", "ES256", must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)),
			"eyJhbGciOiJFUzI1NiJ9." + claims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		},
	}
	for _, tt := range tests {
		got, _, err := jose.JWS{Alg: tt.alg}.Verify([]any{tt.key}, []byte(tt.compact))
		if err != nil || !bytes.Equal(got, unb64(t, claims)) {
			t.Errorf("%s: Verify = %q, %v", tt.name, got, err)
		}
	}
}

func TestExamplesOfRFC7797ComeOutByteForByte(t *testing.T) {
	t.Parallel()
	key := unb64(t, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
	payload := []byte("$.02")
	got, err := jose.JWS{Alg: "HS256"}.Sign(now, rand.Reader, key, payload)
	if want := "eyJhbGciOiJIUzI1NiJ9.JC4wMg.5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ"; err != nil || string(got) != want {
		t.Errorf("section 4.1: Sign = %s, %v", got, err)
	}
	got, err = jose.JWS{Alg: "HS256", Unencoded: true}.SignDetached(now, rand.Reader, key, payload)
	if want := "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19..A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY"; err != nil || string(got) != want {
		t.Errorf("section 4.2: SignDetached = %s, %v", got, err)
	}
}

func TestExampleOfRFC8037ComesOutByteForByte(t *testing.T) {
	t.Parallel()
	// Appendix A.4.
	key := ed25519.NewKeyFromSeed(unb64(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	const want = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	got, err := jose.JWS{Alg: "EdDSA"}.Sign(now, rand.Reader, key, []byte("Example of Ed25519 signing"))
	if err != nil || string(got) != want {
		t.Errorf("Sign = %s, %v", got, err)
	}
}
