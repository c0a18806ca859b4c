package secret

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/sensitive"
)

// fixedBytes returns bytes that are always the same and look random.
func fixedBytes(n int) []byte {
	b := make([]byte, n)
	state := uint32(1)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return b
}

// pemOf returns a private key that is always the same, in PEM, and its public part.
func pemOf(t *testing.T) (private, public []byte) {
	t.Helper()
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), fixedBytes(32))
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if public, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), public
}

func wide(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return out
}

// fingerprinted are values in the forms that have several fingerprints.
func fingerprinted(t *testing.T) map[string][]byte {
	t.Helper()
	key := fixedBytes(32)
	private, _ := pemOf(t)
	seed, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(key))
	if err != nil {
		t.Fatal(err)
	}
	digits, standard, safe := hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), base64.URLEncoding.EncodeToString(key)
	var pairs []string
	for _, b := range key {
		pairs = append(pairs, fmt.Sprintf("0x%02x", b))
	}
	values := map[string][]byte{
		"32 bytes": key, "256 bytes": fixedBytes(256), "white space around bytes": slices.Concat([]byte(" \n"), key, []byte("\r\n")),
		"PEM": private, "DER": seed, "UTF-16": wide(digits), "UTF-16 of PEM": wide(string(private)),
	}
	for name, text := range map[string]string{
		"hex": digits, "upper-case hex": strings.ToUpper(digits), "hex with colons": strings.ReplaceAll(strings.Join(pairs, ":"), "0x", ""),
		"hex with a prefix": "0x" + digits, "hex list": strings.Join(pairs, ", "), "odd hex": digits[1:], "hex in lines": digits[:32] + "\n" + digits[32:],
		"base64": standard, "base64 without padding": strings.TrimRight(standard, "="), "base64url": safe,
		"base64 with line ends": standard[:20] + "\r\n" + standard[20:] + "\n", "base64 with spaces": standard[:20] + " " + standard[20:],
		"base64 with loose bits": "QQQQQQR", "base64 of one byte more": standard + "A", "mixed base64": "+-+-AAAA",
		"whsec": "whsec_" + standard, "whsec without a value": "whsec_", "padding": "====", "white space": " \n ",
		"passphrase": "correct horse battery staple", "short": "x", "base64 of DER": base64.StdEncoding.EncodeToString(seed),
		"hex of DER": hex.EncodeToString(seed), "quoted PEM": `"` + string(private) + `"`, "escaped PEM": strings.ReplaceAll(string(private), "\n", `\n`),
		"byte order mark": "\xef\xbb\xbf" + digits, "text after M": "My passphrase is long", "text after 30": "30 is a number",
	} {
		values[name] = []byte(text)
	}
	return values
}

// TestFingerprintsStayTheSame compares fingerprints with those that earlier versions stored: a key
// that is stored again must have the same ones.
func TestFingerprintsStayTheSame(t *testing.T) {
	t.Parallel()
	s := &Store{printKey: [32]byte(fixedBytes(32))}
	var lines []string
	add := func(name string, value, public []byte) {
		before := bytes.Clone(value)
		line := name + ":"
		for _, p := range s.equalPrints("acme", sensitive.New(value), public) {
			line += " " + hex.EncodeToString(p[:])
		}
		lines = append(lines, line+"\n")
		if !bytes.Equal(value, before) {
			t.Errorf("equalPrints(%s) changed the value", name)
		}
	}
	for name, value := range fingerprinted(t) {
		add(name, value, nil)
	}
	private, public := pemOf(t)
	add("PEM with its public part", private, public)
	slices.Sort(lines)
	file := filepath.Join("testdata", "fingerprints.txt")
	got := strings.Join(lines, "")
	if *golden {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("fingerprints differ (-want +got):\n%s", diff)
	}
}

// TestAReleasedPrinterIsErased looks for the end of a value, which the hash keeps until it has a
// whole block.
func TestAReleasedPrinterIsErased(t *testing.T) {
	t.Parallel()
	s := &Store{}
	value := bytes.Repeat([]byte{0xa5}, 100)
	p := s.printer("acme")
	for range 2 {
		if p.of("bytes", value); !remembers(reflect.ValueOf(p), value[:16]) {
			t.Fatal("a printer in use has nothing of the value; the test looks at the wrong place")
		}
		if s.release(p); remembers(reflect.ValueOf(p), value[:4]) {
			t.Error("a released printer has a part of the value")
		}
	}
}

// remembers reports whether an object, or one that it refers to, contains bytes.
func remembers(v reflect.Value, b []byte) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && remembers(v.Elem(), b)
	case reflect.Struct:
		for i := range v.NumField() {
			if remembers(v.Field(i), b) {
				return true
			}
		}
	case reflect.Array, reflect.Slice:
		var content []byte
		for i := range v.Len() {
			if v.Index(i).Kind() == reflect.Uint8 {
				content = append(content, byte(v.Index(i).Uint()))
			}
		}
		return bytes.Contains(content, b)
	}
	return false
}
