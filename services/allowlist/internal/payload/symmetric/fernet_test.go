package symmetric_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

func FuzzFernet(f *testing.F) {
	key, err := symmetric.NewFernet(bytes.Repeat([]byte{7}, symmetric.FernetKey))
	if err != nil {
		f.Fatal(err)
	}
	for _, value := range []string{"", "value", "sixteen bytes ok"} {
		token, err := key.Seal(time.Unix(1, 0), make([]byte, symmetric.FernetIV), []byte(value))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
		f.Add(token[:len(token)-1])
	}
	f.Add([]byte{0x80})
	f.Fuzz(func(t *testing.T, token []byte) {
		if !key.Verify(token) {
			return
		}
		at, iv := symmetric.FernetTime(token), bytes.Clone(token[9:25])
		value, ok := key.Open(bytes.Clone(token))
		if !ok {
			return
		}
		if again, err := key.Seal(at, iv, value); err != nil || !bytes.Equal(again, token) {
			t.Errorf("Seal(Open(%x)) = %x, %v", token, again, err)
		}
	})
}
