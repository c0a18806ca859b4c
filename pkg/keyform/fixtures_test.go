package keyform_test

import (
	"bytes"
	"encoding/pem"
)

// der returns the content of the first PEM block.
func der(text []byte) []byte {
	first, _ := pem.Decode(text)
	return first.Bytes
}

func join(texts ...[]byte) []byte { return bytes.Join(texts, nil) }
