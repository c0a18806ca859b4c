package keyform

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	encodingasn1 "encoding/asn1"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"
)

const endless = 1 << 40 // iterations, which take weeks

// addPBES2 adds an algorithm that hashes the password so often.
func addPBES2(b *cryptobyte.Builder, iterations int64) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidPBKDF2)
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1OctetString([]byte("salt"))
					b.AddASN1Int64(iterations)
					b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidHMACSHA256) })
				})
			})
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(encodingasn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42})
				b.AddASN1OctetString(make([]byte, aes.BlockSize))
			})
		})
	})
}

// hidden returns a part of a file that is encrypted, with an encrypted key in it.
func hidden(t *testing.T, outer, inner int64) safe {
	t.Helper()
	var bags cryptobyte.Builder
	bags.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidShroudedBag)
			b.AddASN1(explicit, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addPBES2(b, inner)
					b.AddASN1OctetString(make([]byte, 1024))
				})
			})
		})
	})
	plain := bags.BytesOrPanic()
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(plain, bytes.Repeat([]byte{byte(padding)}, padding)...)
	key, err := pbkdf2.Key(sha256.New, "password", []byte("salt"), int(min(outer, 1000)), 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(plain, plain)
	var part cryptobyte.Builder
	part.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidEncrypted)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(0)
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidData)
					addPBES2(b, outer)
					b.AddASN1(asn1.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(plain) })
				})
			})
		})
	})
	return part.BytesOrPanic()
}

// keyPart returns the part with the key of a file that openssl made.
func keyPart(t *testing.T) safe {
	t.Helper()
	file, err := os.ReadFile("testdata/rsa.p12")
	if err != nil {
		t.Fatal(err)
	}
	parts, ok := safesOf(file)
	if !ok {
		t.Fatal("the file has no parts")
	}
	for _, part := range parts {
		if n, fits := part.keys(); n == 1 && fits {
			return part
		}
	}
	t.Fatal("the file has no key")
	return nil
}

// A test that hashes that often does not end.
func TestFilesThatTakeTooLongAreRefused(t *testing.T) {
	t.Parallel()
	for _, iterations := range []int64{0, -1, maxIterations + 1, endless} {
		file, err := withMAC([]safe{hidden(t, iterations, 1), keyPart(t)}, "password")
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = Convert(file, "password")
		if problem, ok := errors.AsType[*Problem](err); !ok || problem.Form != FormPKCS12 {
			t.Errorf("Convert of a file with %d iterations = %v, want %s", iterations, err, FormPKCS12)
		}
	}
}

func TestAHiddenKeyIsNotDecrypted(t *testing.T) {
	t.Parallel()
	reached, err := withMAC([]safe{hidden(t, 1000, 1), keyPart(t)}, "password")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := pkcs12.DecodeChain(reached, "password"); err == nil || !strings.Contains(err.Error(), "decrypting") {
		t.Errorf("the library alone ends with %v, and would not try to decrypt the hidden key", err)
	}
	for name, parts := range map[string][]safe{
		"before the key": {hidden(t, 1000, endless), keyPart(t)},
		"behind the key": {keyPart(t), hidden(t, 1000, endless)},
		"alone":          {hidden(t, 1000, endless)},
		"twice":          {hidden(t, 1000, endless), hidden(t, 1000, endless)},
		"in third place": {keyPart(t), keyPart(t), hidden(t, 1000, endless)},
	} {
		file, err := withMAC(parts, "password")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Convert(file, "password"); !errors.Is(err, ErrKey) {
			t.Errorf("Convert of a file with a hidden key %s = %v, want a problem", name, err)
		}
	}
}
