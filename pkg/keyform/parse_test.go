package keyform_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/keyform/keyformtest"
)

// private is what all private keys of the standard library can do.
type private interface {
	Public() crypto.PublicKey
	Equal(key crypto.PrivateKey) bool
}

func equalPublic(a, b crypto.PublicKey) bool {
	key, ok := a.(interface {
		Equal(key crypto.PublicKey) bool
	})
	return ok && key.Equal(b)
}

func TestEachKindOfKeyParses(t *testing.T) {
	t.Parallel()
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	montgomery, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]private{
		"RSA-2048": keyformtest.RSA(t, 2048), "P-256": keyformtest.EC(t, elliptic.P256()), "P-384": keyformtest.EC(t, elliptic.P384()),
		"Ed25519": edwards, "X25519": montgomery,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantSum := sha256.Sum256(der(keyformtest.SPKI(key.Public())))
			for form, stored := range map[string][]byte{"PEM": keyformtest.PKCS8(key), "DER": der(keyformtest.PKCS8(key))} {
				got, info, err := keyform.ParsePrivate(stored)
				clear(stored) // as who decoded it does
				if err != nil || !key.Equal(got) || info.PublicSHA256 != wantSum || info.CertificateSHA256 != nil {
					t.Errorf("ParsePrivate of %s = %T, %+v, %v", form, got, info, err)
				}
			}
			for form, stored := range map[string][]byte{
				"PEM": keyformtest.SPKI(key.Public()), "DER": der(keyformtest.SPKI(key.Public())), "a private key": keyformtest.PKCS8(key), "a private key's DER": der(keyformtest.PKCS8(key)),
			} {
				got, info, err := keyform.ParsePublic(stored)
				clear(stored) // as who decoded it does
				if err != nil || !equalPublic(key.Public(), got) || info.PublicSHA256 != wantSum || info.CertificateSHA256 != nil {
					t.Errorf("ParsePublic of %s = %T, %+v, %v", form, got, info, err)
				}
			}
		})
	}
}

func TestKeyIsFoundInEachFile(t *testing.T) {
	t.Parallel()
	rsaKey, ecKey := keyformtest.RSA(t, 2048), keyformtest.EC(t, elliptic.P256())
	rsaCertificate, ecCertificate := keyformtest.Certificate(rsaKey), keyformtest.Certificate(ecKey)
	sec1, err := x509.MarshalECPrivateKey(ecKey)
	traditional := keyformtest.Block("EC PRIVATE KEY", sec1, err)
	parameters := keyformtest.Block("EC PARAMETERS", []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}, nil)
	pkcs1 := keyformtest.Block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil)
	pkcs1Public := keyformtest.Block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil)
	tests := []struct {
		name        string
		stored      []byte
		public      crypto.PublicKey
		private     private // nil: no private key
		certificate []byte  // nil: the key has none
	}{
		{"PKCS #1", pkcs1, rsaKey.Public(), rsaKey, nil},
		{"the DER of PKCS #1", der(pkcs1), rsaKey.Public(), rsaKey, nil},
		{"SEC 1", traditional, ecKey.Public(), ecKey, nil},
		{"the DER of SEC 1", der(traditional), ecKey.Public(), ecKey, nil},
		{"SEC 1 behind its parameters", join(parameters, traditional), ecKey.Public(), ecKey, nil},
		{"a public key of PKCS #1", pkcs1Public, rsaKey.Public(), nil, nil},
		{"the DER of a public key of PKCS #1", der(pkcs1Public), rsaKey.Public(), nil, nil},
		{"a certificate", rsaCertificate, rsaKey.Public(), nil, rsaCertificate},
		{"the DER of a certificate", der(rsaCertificate), rsaKey.Public(), nil, rsaCertificate},
		{"a certificate before its issuer's", join(ecCertificate, rsaCertificate), ecKey.Public(), nil, ecCertificate},
		{"a key before its certificate", join(keyformtest.PKCS8(rsaKey), rsaCertificate), rsaKey.Public(), rsaKey, rsaCertificate},
		{"a key behind its certificate", join(rsaCertificate, keyformtest.PKCS8(rsaKey)), rsaKey.Public(), rsaKey, rsaCertificate},
		{"a key behind its chain", join(ecCertificate, rsaCertificate, keyformtest.PKCS8(ecKey)), ecKey.Public(), ecKey, ecCertificate},
		{"a key beside another's certificate", join(keyformtest.PKCS8(ecKey), rsaCertificate), ecKey.Public(), ecKey, nil},
		{"a key beside a broken certificate", join(keyformtest.PKCS8(ecKey), keyformtest.Block("CERTIFICATE", []byte("x"), nil)), ecKey.Public(), ecKey, nil},
		{"lines that end as on Windows", bytes.ReplaceAll(pkcs1, []byte("\n"), []byte("\r\n")), rsaKey.Public(), rsaKey, nil},
		{"text around it", join([]byte("Bag Attributes\n  friendlyName: partner\n"), keyformtest.PKCS8(ecKey), []byte("\n")), ecKey.Public(), ecKey, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, info, err := keyform.ParsePublic(tt.stored)
			if err != nil || !equalPublic(tt.public, got) {
				t.Fatalf("ParsePublic = %T, %v, want the key", got, err)
			}
			checkCertificate(t, info, tt.certificate)
			secret, info, err := keyform.ParsePrivate(tt.stored)
			if tt.private == nil {
				if !errors.Is(err, keyform.ErrKey) || secret != nil {
					t.Errorf("ParsePrivate = %T, %v, want ErrKey", secret, err)
				}
				return
			}
			if err != nil || !tt.private.Equal(secret) {
				t.Fatalf("ParsePrivate = %T, %v, want the key", secret, err)
			}
			checkCertificate(t, info, tt.certificate)
		})
	}
}

func checkCertificate(t *testing.T, info keyform.Info, certificate []byte) {
	t.Helper()
	switch {
	case certificate == nil && info.CertificateSHA256 != nil:
		t.Error("the key has a certificate, want none")
	case certificate != nil && (info.CertificateSHA256 == nil || *info.CertificateSHA256 != sha256.Sum256(der(certificate))):
		t.Error("the certificate is not the key's")
	}
}

func TestWhatIsNoUsableKeyIsRefused(t *testing.T) {
	t.Parallel()
	rsaKey := keyformtest.RSA(t, 2048)
	plain := x509.MarshalPKCS1PrivateKey(rsaKey)
	broken := bytes.Clone(plain)
	broken[len(broken)-1] ^= 1
	small, p224 := keyformtest.RSA(t, 1024), keyformtest.EC(t, elliptic.P224())
	good := keyformtest.PKCS8(keyformtest.EC(t, elliptic.P256()))
	for name, stored := range map[string][]byte{
		"nothing":                              nil,
		"a password":                           []byte("correct horse battery staple"),
		"an RSA key of 1,024 bits":             keyformtest.PKCS8(small),
		"a certificate of 1,024 bits":          keyformtest.Certificate(small),
		"P-224":                                keyformtest.PKCS8(p224),
		"an encrypted key":                     keyformtest.Block("ENCRYPTED PRIVATE KEY", plain, nil),
		"a key encrypted in the old way":       pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: plain[7:]}),
		"a block that is cut short":            good[:60],
		"a block of another type":              keyformtest.Block("CERTIFICATE REQUEST", plain, nil),
		"an invalid certificate":               keyformtest.Block("CERTIFICATE", plain, nil),
		"a key that does not add up":           keyformtest.Block("RSA PRIVATE KEY", broken, nil),
		"more DER than any key has":            keyformtest.Block("PRIVATE KEY", make([]byte, 9000), nil),
		"a private key marked as public":       keyformtest.Block("PUBLIC KEY", plain, nil),
		"a public key marked as private":       keyformtest.Block("PRIVATE KEY", der(keyformtest.SPKI(rsaKey.Public())), nil),
		"bytes that are no text":               []byte("\x00\xff\xfe-----BEGIN"),
		"a broken key before a good one":       join(keyformtest.Block("PRIVATE KEY", plain[:100], nil), good),
		"an unusable certificate and a CA's":   join(keyformtest.Certificate(p224), keyformtest.Certificate(rsaKey)),
		"an unusable key and a usable one":     join(keyformtest.PKCS8(p224), good),
		"base64 of a PEM without its armor":    []byte("MC4CAQAwBQYDK2VuBCIEIMip1akQka2F"),
		"an RSA modulus that is even":          keyformtest.SPKI(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}),
		"an RSA modulus of 8,193 bits":         keyformtest.SPKI(&rsa.PublicKey{N: odd(8193), E: 65537}),
		"an RSA modulus of 2,047 bits":         keyformtest.SPKI(&rsa.PublicKey{N: odd(2047), E: 65537}),
		"an RSA exponent of 1":                 keyformtest.SPKI(&rsa.PublicKey{N: odd(2048), E: 1}),
		"an RSA exponent that is even":         keyformtest.SPKI(&rsa.PublicKey{N: odd(2048), E: 65536}),
		"an RSA exponent of more than 31 bits": keyformtest.SPKI(&rsa.PublicKey{N: odd(2048), E: 1<<31 + 1}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, info, err := keyform.ParsePublic(stored); !errors.Is(err, keyform.ErrKey) || got != nil || info != (keyform.Info{}) {
				t.Errorf("ParsePublic = %T, %+v, %v, want ErrKey", got, info, err)
			}
			if got, info, err := keyform.ParsePrivate(stored); !errors.Is(err, keyform.ErrKey) || got != nil || info != (keyform.Info{}) {
				t.Errorf("ParsePrivate = %T, %+v, %v, want ErrKey", got, info, err)
			}
		})
	}
}

// odd returns an odd number of so many bits, which is as much as a public key shows.
func odd(bits uint) *big.Int {
	n := new(big.Int).Lsh(big.NewInt(1), bits)
	return n.Sub(n, big.NewInt(1))
}

// TestSizesOfRSAKeysAreBounded leaves private keys of 8,192 bits to those of Wycheproof.
func TestSizesOfRSAKeysAreBounded(t *testing.T) {
	t.Parallel()
	for _, key := range []rsa.PublicKey{{N: odd(2048), E: 3}, {N: odd(8192), E: 65537}, {N: odd(2049), E: 1<<31 - 1}} {
		if got, _, err := keyform.ParsePublic(keyformtest.SPKI(&key)); err != nil || !equalPublic(&key, got) {
			t.Errorf("ParsePublic of %d bits and exponent %d = %v", key.N.BitLen(), key.E, err)
		}
	}
}

func FuzzParsePublic(f *testing.F) {
	addKeys(f)
	f.Fuzz(func(t *testing.T, stored []byte) {
		before := bytes.Clone(stored)
		key, info, err := keyform.ParsePublic(stored)
		if !bytes.Equal(stored, before) {
			t.Fatal("ParsePublic changes what is stored")
		}
		if err != nil {
			if key != nil || !errors.Is(err, keyform.ErrKey) {
				t.Fatalf("ParsePublic = %T, %v, want ErrKey", key, err)
			}
			return
		}
		again, its, err := keyform.ParsePublic(keyformtest.SPKI(key))
		if err != nil || !equalPublic(key, again) || its.PublicSHA256 != info.PublicSHA256 {
			t.Fatalf("ParsePublic of what it returned = %v", err)
		}
	})
}

func FuzzParsePrivate(f *testing.F) {
	addKeys(f)
	f.Fuzz(func(t *testing.T, stored []byte) {
		before := bytes.Clone(stored)
		key, info, err := keyform.ParsePrivate(stored)
		if !bytes.Equal(stored, before) {
			t.Fatal("ParsePrivate changes what is stored")
		}
		if err != nil {
			if key != nil || !errors.Is(err, keyform.ErrKey) {
				t.Fatalf("ParsePrivate = %T, %v, want ErrKey", key, err)
			}
			return
		}
		again, its, err := keyform.ParsePrivate(keyformtest.PKCS8(key))
		if err != nil || !key.(private).Equal(again) || its.PublicSHA256 != info.PublicSHA256 {
			t.Fatalf("ParsePrivate of what it returned = %v", err)
		}
	})
}

func addKeys(f *testing.F) {
	key, rsaKey := keyformtest.EC(f, elliptic.P256()), keyformtest.RSA(f, 2048)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range [][]byte{
		keyformtest.PKCS8(key), keyformtest.PKCS8(rsaKey), keyformtest.PKCS8(edwards), keyformtest.SPKI(key.Public()), keyformtest.Certificate(key),
		keyformtest.Block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil),
		keyformtest.Block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil),
	} {
		f.Add(text)
		f.Add(der(text))
	}
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Add(join(keyformtest.Certificate(rsaKey), keyformtest.PKCS8(rsaKey)))
}
