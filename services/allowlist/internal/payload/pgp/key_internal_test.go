package pgp

import (
	"bytes"
	"testing"
)

// rsaPacket returns a public key packet whose modulus has this many bits.
func rsaPacket(bits int) []byte {
	content := []byte{4, 0, 0, 0, 1, 1, byte(bits >> 8), byte(bits)}
	modulus := bytes.Repeat([]byte{0xff}, (bits+7)/8)
	modulus[0] >>= -bits & 7
	content = append(content, modulus...)
	return keyPacket(append(content, 0, 17, 1, 0, 1))
}

// keyPacket returns a public key packet with this content.
func keyPacket(content []byte) []byte {
	n := len(content)
	return append([]byte{0xc0 | tagPublicKey, 0xff, 0, byte(n >> 16), byte(n >> 8), byte(n)}, content...)
}

func TestKeysAreBounded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		block []byte
		want  error
	}{
		{"RSA of 2,046 bits", rsaPacket(2046), ErrKey},
		{"RSA of 2,047 bits", rsaPacket(2047), nil},
		{"RSA of 8,192 bits", rsaPacket(8192), nil},
		{"RSA of 8,193 bits", rsaPacket(8193), ErrKey},
		{"eight keys", bytes.Repeat(rsaPacket(2048), 8), nil},
		{"nine keys", bytes.Repeat(rsaPacket(2048), 9), ErrKey},
		{"a key of an unknown kind", keyPacket(append([]byte{4, 0, 0, 0, 1, 99}, make([]byte, 1000)...)), nil},
		{"a long key of an unknown kind", keyPacket(append([]byte{4, 0, 0, 0, 1, 99}, make([]byte, maxKeyBytes)...)), ErrKey},
		{"an empty packet", keyPacket(nil), ErrKey},
		{"half a packet", rsaPacket(2048)[:100], ErrKey},
	}
	for _, tt := range tests {
		if err := checkPackets(tt.block); err != tt.want { //nolint:errorlint // nothing surrounds it
			t.Errorf("%s: checkPackets = %v, want %v", tt.name, err, tt.want)
		}
	}
}
