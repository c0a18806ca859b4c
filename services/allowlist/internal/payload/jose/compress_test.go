package jose_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"strings"
	"testing"

	library "github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// zipping is a JWE with compression.
var zipping = jose.JWE{Alg: "dir", Enc: "A256GCM", Compress: true}

// zipped returns a message whose content is the given text, as if it were compressed.
func zipped(t testing.TB, content string) string {
	t.Helper()
	return sealed(t, `{"alg":"dir","enc":"A256GCM","zip":"DEF"}`, content)
}

// sealed returns a message with `dir` and A256GCM whose header is the given text.
func sealed(t testing.TB, header, content string) string {
	t.Helper()
	aead := must(cipher.NewGCM(must(aes.NewCipher(secret[:32]))))
	iv := make([]byte, 12) // of a key for tests
	out := aead.Seal(nil, iv, []byte(content), []byte(b64(header)))
	ciphertext, tag := out[:len(content)], out[len(content):]
	return b64(header) + ".." + b64(string(iv)) + "." + b64(string(ciphertext)) + "." + b64(string(tag))
}

// deflated compresses n zeros, and returns the result.
func deflated(t testing.TB, n int) string {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestGoJoseAndTheEngineInflateEachOther(t *testing.T) {
	t.Parallel()
	for _, plaintext := range []string{"", "x", sample, strings.Repeat(sample, 1000)} {
		message := encrypt(t, zipping, secret[:32], plaintext)
		parsed, err := library.ParseEncryptedCompact(message, []library.KeyAlgorithm{library.DIRECT}, []library.ContentEncryption{library.A256GCM})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parsed.Decrypt(secret[:32]); err != nil || string(got) != plaintext {
			t.Errorf("go-jose decrypts the output of Encrypt as %d bytes, %v, want %d", len(got), err, len(plaintext))
		}
		if len(plaintext) > 10_000 && len(message) > len(plaintext)/10 {
			t.Errorf("%d bytes became %d", len(plaintext), len(message))
		}
		e, err := library.NewEncrypter(library.A256GCM, library.Recipient{Algorithm: library.DIRECT, Key: secret[:32]}, &library.EncrypterOptions{Compression: library.DEFLATE})
		if err != nil {
			t.Fatal(err)
		}
		object, err := e.Encrypt([]byte(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := decrypt(zipping, must(object.CompactSerialize()), secret[:32]); err != nil || got != plaintext {
			t.Errorf("Decrypt of the output of go-jose = %d bytes, %v, want %d", len(got), err, len(plaintext))
		}
	}
}

func TestCompressionIsPinned(t *testing.T) {
	t.Parallel()
	plain := jose.JWE{Alg: "dir", Enc: "A256GCM"}
	if _, _, err := decrypt(plain, encrypt(t, zipping, secret[:32], sample), secret[:32]); !errors.Is(err, jose.ErrMessage) {
		t.Errorf("Decrypt of a compressed message = %v, want ErrMessage", err)
	}
	for name, header := range map[string]string{
		"no compression": `{"alg":"dir","enc":"A256GCM"}`, "another compression": `{"alg":"dir","enc":"A256GCM","zip":"GZ"}`,
		"a list": `{"alg":"dir","enc":"A256GCM","zip":["DEF"]}`, "two": `{"alg":"dir","enc":"A256GCM","zip":"DEF","zip":"DEF"}`,
	} {
		if _, _, err := decrypt(zipping, sealed(t, header, deflated(t, 1)), secret[:32]); !errors.Is(err, jose.ErrMessage) {
			t.Errorf("%s: Decrypt = %v, want ErrMessage", name, err)
		}
	}
}

func TestDamagedCompressionIsRefused(t *testing.T) {
	t.Parallel()
	good := deflated(t, 1000)
	for name, content := range map[string]string{
		"nothing": "", "text": sample, "the end is missing": good[:len(good)-1], "more after the end": good + "x", "twice": good + good,
		"zlib": "\x78\x9c" + good, "a reserved block": "\x07",
	} {
		if got, _, err := decrypt(zipping, zipped(t, content), secret[:32], secret[:32]); !errors.Is(err, jose.ErrDecrypt) || got != "" {
			t.Errorf("%s: Decrypt = %q, %v, want ErrDecrypt", name, got, err)
		}
	}
}

func TestInflatedPlaintextsAreBounded(t *testing.T) { // not parallel: the test counts allocations
	if got, _, err := decrypt(zipping, zipped(t, deflated(t, jose.MaxInflated)), secret[:32]); err != nil || len(got) != jose.MaxInflated {
		t.Errorf("Decrypt of the longest plaintext = %d bytes, %v", len(got), err)
	}
	bomb := zipped(t, deflated(t, 2*jose.MaxInflated))
	before := allocated()
	_, _, err := decrypt(zipping, bomb, secret[:32], secret[:32], secret[:32], secret[:32])
	if grown := allocated() - before; !errors.Is(err, jose.ErrDecrypt) || grown > 6*jose.MaxInflated {
		t.Errorf("Decrypt of %d bytes that inflate to %d = %v after allocating %d KiB", len(bomb), 2*jose.MaxInflated, err, grown>>10)
	}
}
