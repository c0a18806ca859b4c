package cms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/cms"
)

// known returns the messages that openssl wrote, by name.
func known(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/cms/known.json")
	if err != nil {
		t.Fatal(err)
	}
	var encoded map[string]string
	if err := json.Unmarshal(text, &encoded); err != nil {
		t.Fatal(err)
	}
	messages := make(map[string][]byte, len(encoded))
	for name, text := range encoded {
		if messages[name], err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatal(err)
		}
	}
	return messages
}

// derOf returns the DER of the first block of a file of keys.
func derOf(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/keys/" + file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return block.Bytes
}

// pair returns a key on P-256 and its certificate.
func pair(t testing.TB) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	parsed, err := x509.ParsePKCS8PrivateKey(derOf(t, "ec_priv.pem"))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(derOf(t, "ec_cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return parsed.(*ecdsa.PrivateKey), certificate
}

// tlv returns an element of BER.
func tlv(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	if len(body) < 0x80 {
		return append([]byte{tag, byte(len(body))}, body...)
	}
	n := len(body)
	return append([]byte{tag, 0x84, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

// open returns an element of indefinite length.
func open(tag byte, content ...[]byte) []byte {
	return append(append([]byte{tag, 0x80}, bytes.Join(content, nil)...), 0, 0)
}

var (
	oidEnveloped = []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")
	oidData      = []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")
	zero         = []byte{2, 1, 0}
	algorithm    = tlv(0x30, []byte("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a"), tlv(4, make([]byte, 16)))
)

// enveloped returns a message without recipients whose encrypted content is an element.
func enveloped(recipients, content []byte) []byte {
	return open(0x30, oidEnveloped, open(0xa0, open(0x30, zero, tlv(0x31, recipients), open(0x30, oidData, algorithm, content))))
}

func TestContentMayBeInPieces(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{
		"one piece":         tlv(0x80, []byte("abcdef")),
		"pieces":            tlv(0xa0, tlv(4, []byte("abc")), tlv(4), tlv(4, []byte("def"))),
		"indefinite length": open(0xa0, tlv(4, []byte("a")), tlv(4, []byte("bcdef"))),
		"nested pieces":     open(0xa0, open(0x24, tlv(4, []byte("ab")), tlv(4, []byte("c"))), tlv(0x24, tlv(4, []byte("def")))),
	} {
		e, err := cms.ReadEnvelope(enveloped(nil, content), cms.AES256CBC)
		if err != nil || string(e.Ciphertext) != "abcdef" {
			t.Errorf("%s: ReadEnvelope = %+v, %v, want the content", name, e, err)
		}
	}
}

// nest wraps an element n times.
func nest(content []byte, n int, wrap func([]byte) []byte) []byte {
	for range n {
		content = wrap(content)
	}
	return content
}

func TestHostileMessagesAreRefused(t *testing.T) {
	t.Parallel()
	good := tlv(0x80, []byte("abcdef"))
	recipient := tlv(0x30, zero, tlv(0x80, []byte("id")), tlv(0x30, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")), tlv(4, []byte("key")))
	if _, err := cms.ReadEnvelope(enveloped(bytes.Repeat(recipient, 16), good), cms.AES256CBC); err != nil {
		t.Fatalf("ReadEnvelope of 16 recipients: %v", err)
	}
	for name, message := range map[string][]byte{
		"nothing":                          nil,
		"bytes behind the message":         append(enveloped(nil, good), 0),
		"17 recipients":                    enveloped(bytes.Repeat(recipient, 17), good),
		"17 recipients of other kinds":     enveloped(bytes.Repeat(tlv(0xa1), 17), good),
		"strings in strings":               enveloped(nil, nest(tlv(4), 5, func(b []byte) []byte { return tlv(0x24, b) })),
		"deep pieces":                      enveloped(nil, tlv(0xa0, nest(tlv(4, []byte("a")), 4, func(b []byte) []byte { return tlv(0x24, b) }))),
		"deep indefinite lengths":          enveloped(nil, open(0xa0, nest(tlv(4, []byte("a")), 20_000, func(b []byte) []byte { return open(0x24, b) }))),
		"indefinite lengths without end":   bytes.Repeat([]byte{0x30, 0x80}, 50_000),
		"a length of 4 GiB":                enveloped(nil, []byte{0x80, 0x84, 0xff, 0xff, 0xff, 0xff}),
		"a length of 8 bytes":              enveloped(nil, []byte{0x80, 0x88, 0, 0, 0, 0, 0, 0, 0, 1, 'a'}),
		"a primitive of indefinite length": enveloped(nil, []byte{0x80, 0x80, 'a', 0, 0}),
		"a long tag":                       enveloped(nil, []byte{0x9f, 0x80, 1, 'a'}),
		"another kind of piece":            enveloped(nil, tlv(0xa0, tlv(3, []byte("abc")))),
		"an end without a beginning":       enveloped(nil, []byte{0, 0}),
		"no content":                       enveloped(nil, nil),
		"a message without an end":         enveloped(nil, good)[:40],
	} {
		if e, err := cms.ReadEnvelope(message, cms.AES256CBC); !errors.Is(err, cms.ErrMessage) {
			t.Errorf("%s: ReadEnvelope = %+v, %v, want ErrMessage", name, e, err)
		}
	}
}

// Memory is bounded by the message, whatever lengths it states.
func TestReadingAllocatesNoMoreThanTheMessage(t *testing.T) { //nolint:paralleltest // other tests allocate too
	pieces := bytes.Repeat(tlv(4, []byte("a")), 100_000)
	message := enveloped(nil, open(0xa0, open(0x24, open(0x24, pieces))))
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := cms.ReadEnvelope(message, cms.AES256CBC); err != nil {
				b.Fatal(err)
			}
		}
	})
	if got, limit := result.AllocedBytesPerOp(), int64(4*len(message)); got > limit {
		t.Errorf("reading %d bytes allocates %d, want at most %d", len(message), got, limit)
	}
}

// Signed attributes of one message are not accepted as the content of another one, which has none.
func TestSignedAttributesAreNoContent(t *testing.T) {
	t.Parallel()
	key, certificate := pair(t)
	sign := func(content []byte) []byte {
		signed, err := cms.Sign(rand.Reader, crypto.SHA256, key, certificate, content)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	// The attributes are those of [cms.Sign]: a SET of two.
	sum := crypto.SHA256.New()
	sum.Write([]byte("content"))
	attributes := tlv(0x31,
		tlv(0x30, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"), tlv(0x31, oidData)),
		tlv(0x30, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"), tlv(0x31, tlv(4, sum.Sum(nil)))))
	signed := sign([]byte("content"))
	implicit := append([]byte{0xa0}, attributes[1:]...)
	at := bytes.Index(signed, implicit)
	if at < 0 {
		t.Fatal("the attributes are not where they are expected")
	}
	signature := signed[at+len(implicit):]
	digest := tlv(0x30, []byte("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"))
	bare := func(content []byte) []byte {
		return tlv(0x30, []byte{2, 1, 1}, tlv(0x31, digest), tlv(0x30, oidData, tlv(0xa0, tlv(4, content))),
			tlv(0x31, tlv(0x30, []byte{2, 1, 1}, tlv(0x80, []byte("id")), digest, signature)))
	}
	parsed, err := cms.Parse(bare(attributes), crypto.SHA256, true)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if _, err := parsed.Verify([]crypto.PublicKey{key.Public()}); !errors.Is(err, cms.ErrSignature) {
		t.Errorf("Verify of attributes as content: %v, want ErrSignature", err)
	}
}

func TestMoreSignaturesThanFourAreRefused(t *testing.T) {
	t.Parallel()
	digest := tlv(0x30, []byte("\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"))
	signer := tlv(0x30, zero, tlv(0x80, []byte("id")), digest, tlv(0x30, oidData), tlv(4, []byte("signature")))
	message := func(n int) []byte {
		return tlv(0x30, zero, tlv(0x31), tlv(0x30, oidData, tlv(0xa0, tlv(4, []byte("x")))), tlv(0x31, bytes.Repeat(signer, n)))
	}
	if s, err := cms.Parse(message(cms.MaxSigners), crypto.SHA256, true); err != nil || s.Signers() != cms.MaxSigners {
		t.Errorf("Parse of the largest number of signatures = %+v, %v", s, err)
	}
	if _, err := cms.Parse(message(cms.MaxSigners+1), crypto.SHA256, true); !errors.Is(err, cms.ErrMessage) {
		t.Errorf("Parse of one more: %v, want ErrMessage", err)
	}
	if s, err := cms.Parse(message(0), crypto.SHA256, true); err != nil {
		t.Errorf("Parse without signatures: %v", err)
	} else if _, err := s.Verify(nil); !errors.Is(err, cms.ErrSignature) {
		t.Errorf("Verify without signatures: %v, want ErrSignature", err)
	}
}

func TestSignRefusesOtherKeys(t *testing.T) {
	t.Parallel()
	_, certificate := pair(t)
	if _, err := cms.Sign(rand.Reader, crypto.SHA256, "a key", certificate, nil); !errors.Is(err, cms.ErrKey) {
		t.Errorf("Sign: %v, want ErrKey", err)
	}
}

// FuzzReadEnvelope checks that every message is read or refused.
func FuzzReadEnvelope(f *testing.F) {
	for _, message := range known(f) {
		f.Add(message)
	}
	f.Add(enveloped(nil, open(0xa0, open(0x24, tlv(4, []byte("a"))))))
	_, certificate := pair(f)
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, cipher := range []cms.Cipher{cms.AES256CBC, cms.TripleDESCBC, cms.AES256GCM} {
			e, err := cms.ReadEnvelope(message, cipher)
			if err != nil {
				if !errors.Is(err, cms.ErrMessage) || e != nil {
					t.Errorf("ReadEnvelope = %v, %v", e, err)
				}
				continue
			}
			for _, r := range e.Recipients {
				r.Is(certificate)
			}
			if len(e.Ciphertext) > len(message) {
				t.Errorf("%d bytes hold %d", len(message), len(e.Ciphertext))
			}
		}
	})
}

// FuzzParse does the same for signed content.
func FuzzParse(f *testing.F) {
	for _, message := range known(f) {
		f.Add(message, false)
	}
	key, certificate := pair(f)
	signed, err := cms.Sign(rand.Reader, crypto.SHA256, key, certificate, []byte("content"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed, false)
	f.Fuzz(func(t *testing.T, message []byte, bare bool) {
		s, err := cms.Parse(message, crypto.SHA256, bare)
		if err != nil {
			if !errors.Is(err, cms.ErrMessage) || s != nil {
				t.Errorf("Parse = %v, %v", s, err)
			}
			return
		}
		if _, err := s.Verify([]crypto.PublicKey{key.Public()}); err != nil && !errors.Is(err, cms.ErrSignature) {
			t.Errorf("Verify = %v", err)
		}
	})
}
