package payload_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
)

// stayOpen is a writer that does not close the underlying one.
type stayOpen struct{ io.Writer }

// Close does nothing.
func (stayOpen) Close() error { return nil }

// inflating returns an OpenPGP message in base64 that contains the number 1 after n spaces.
func inflating(t testing.TB, key string, n int) string {
	t.Helper()
	list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(key))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	session := bytes.Repeat([]byte{7}, 32)
	if err := packet.SerializeEncryptedKey(&out, list[0].Subkeys[0].PublicKey, packet.CipherAES256, session, nil); err != nil {
		t.Fatal(err)
	}
	encrypted, err := packet.SerializeSymmetricallyEncrypted(&out, packet.CipherAES256, false, packet.CipherSuite{}, session, nil)
	if err != nil {
		t.Fatal(err)
	}
	compressed, err := packet.SerializeCompressed(stayOpen{encrypted}, packet.CompressionZLIB, nil)
	if err != nil {
		t.Fatal(err)
	}
	literal, err := packet.SerializeLiteral(stayOpen{compressed}, true, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := literal.Write(append(bytes.Repeat([]byte{' '}, n), '1')); err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.Closer{literal, compressed, encrypted} {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestAllValuesOfAMessageInflateToNoMoreThanOneMay(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := pipeline(t, `pgp { binary: true `+named("pgp", "RAW")+` } selection { fields { paths: "$.a[*]" } }`)
	value := inflating(t, s["pgp"][0], pgp.MaxInflated*2/5)
	for values, want := range map[int]string{2: "", 3: "decrypt"} {
		body := `{"a":["` + strings.Repeat(value+`","`, values-1) + value + `"]}`
		opened, err := s.decrypt(t, p, payload.Output{Body: []byte(body)})
		if payload.Stage(err) != want || (err == nil) != (want == "") {
			t.Errorf("Decrypt of %d values in %d bytes = %d bytes, %v, want stage %q", values, len(body), len(opened.Body), err, want)
		}
	}
}

// inflatingJWE returns a JWE in compact form that contains the number 1 after n spaces.
func inflatingJWE(t testing.TB, key []byte, n int) string {
	t.Helper()
	options := &jose.EncrypterOptions{Compression: jose.DEFLATE}
	e, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	object, err := e.Encrypt(append(bytes.Repeat([]byte{' '}, n), '1'))
	if err != nil {
		t.Fatal(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAllCompressedJWEsOfAMessageInflateToNoMoreThanOneMay(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := pipeline(t, `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM compress: true `+named("a", "HEX")+` } selection { fields { paths: "$.a[*]" } }`)
	value := inflatingJWE(t, unhex(t, keyA), pgp.MaxInflated*2/5)
	for values, want := range map[int]string{2: "", 3: "decrypt"} {
		body := `{"a":["` + strings.Repeat(value+`","`, values-1) + value + `"]}`
		opened, err := s.decrypt(t, p, payload.Output{Body: []byte(body)})
		if payload.Stage(err) != want || (err == nil) != (want == "") || len(opened.Body) != 0 && want != "" {
			t.Errorf("Decrypt of %d values in %d bytes = %d bytes, %v, want stage %q", values, len(body), len(opened.Body), err, want)
		}
	}
	one := inflatingJWE(t, unhex(t, keyA), 2*pgp.MaxInflated)
	if _, err := s.decrypt(t, p, payload.Output{Body: []byte(`{"a":["` + one + `"]}`)}); payload.Stage(err) != "decrypt" {
		t.Errorf("Decrypt of a value of %d bytes that inflates to %d: %v, want the stage decrypt", len(one), 2*pgp.MaxInflated, err)
	}
	sent := s.encrypt(t, p, `{"a":["x",2]}`)
	s.opens(t, p, sent, `{"a":["x",2]}`)
	uncompressed := pipeline(t, `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM `+named("a", "HEX")+` } selection { fields { paths: "$.a[*]" } }`)
	for name, tt := range map[string]struct {
		p    *payload.Pipeline
		sent payload.Output
	}{
		"a compressed message": {uncompressed, sent},
		"an uncompressed one":  {p, s.encrypt(t, uncompressed, `{"a":["x"]}`)},
	} {
		if _, err := s.decrypt(t, tt.p, tt.sent); !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != "decode" {
			t.Errorf("Decrypt of %s: %v, want DECRYPTION_FAILED at decode", name, err)
		}
	}
}
