package payload_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

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
