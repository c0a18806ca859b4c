package jose_test

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
)

// allocated returns how much has been allocated since the start, by all.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestALargeMessageIsWrittenAndReadInOneBuffer(t *testing.T) { // not parallel: the test counts allocations
	plaintext := make([]byte, 4<<20)
	for _, enc := range []string{"A256GCM", "A128CBC-HS256"} {
		for _, lenient := range []bool{false, true} {
			j := jose.JWE{Alg: "dir", Enc: enc, Lenient: lenient}
			key := secret[:j.KeyBytes()]
			before := allocated()
			message, err := j.Encrypt(now, rand.Reader, key, plaintext)
			encrypting := allocated() - before
			if err != nil {
				t.Fatal(err)
			}
			parts, err := jose.Split(message)
			if err != nil {
				t.Fatal(err)
			}
			before = allocated()
			got, _, err := j.Decrypt([]any{slices.Repeat([]byte{1}, len(key)), key}, parts)
			decrypting := allocated() - before
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Fatalf("%s: Decrypt: %v", enc, err)
			}
			const slack = 256 << 10
			if encrypting > uint64(len(message)+slack) || decrypting > uint64(len(plaintext)+slack) {
				t.Errorf("%s, lenient %t: 4 MiB took %d KiB to encrypt and %d KiB to decrypt", enc, lenient, encrypting>>10, decrypting>>10)
			}
		}
	}
}

func TestACompressedMessageIsRefusedUnopened(t *testing.T) { // not parallel: the test counts allocations
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j := jose.JWE{Alg: "dir", Enc: "A256GCM"}
	message := protected(encrypt(t, j, secret[:32], bomb.String()), `{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)
	before := allocated()
	_, _, err = decrypt(j, message, secret[:32])
	if grown := allocated() - before; !errors.Is(err, jose.ErrMessage) || grown > 1<<20 {
		t.Errorf("Decrypt = %v after allocating %d KiB", err, grown>>10)
	}
}
