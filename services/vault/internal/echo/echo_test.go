package echo_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/vault/internal/echo"
)

// in reports whether text contains a value.
func in(value []byte, text string) bool { return echo.Find(value, nil, []string{text}).Has(0) }

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

const inPairs = "hex in pairs"

// encodings are all encodings that the key decoder knows.
var encodings = map[string]func([]byte) string{
	"hex":            hex.EncodeToString,
	"upper-case hex": func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) },
	inPairs: func(b []byte) string {
		var pairs []string
		for _, c := range b {
			pairs = append(pairs, hex.EncodeToString([]byte{c}))
		}
		return strings.Join(pairs, ":")
	},
	"base64":          base64.StdEncoding.EncodeToString,
	"unpadded base64": base64.RawStdEncoding.EncodeToString,
	"base64url":       base64.URLEncoding.EncodeToString,
	"unpadded url":    base64.RawURLEncoding.EncodeToString,
	"whsec":           func(b []byte) string { return "whsec_" + base64.StdEncoding.EncodeToString(b) },
	"base64 in lines": func(b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
	},
}

func TestAValueIsFoundInEachEncoding(t *testing.T) {
	t.Parallel()
	for _, size := range []int{8, 16, 24, 32, 33, 34, 64, 1000} {
		key := random(t, size)
		for stored, encode := range encodings {
			for shown, show := range encodings {
				for _, before := range []string{"", "a", "ab", "abc", "the key is ", "x-"} {
					text := before + show(key) + " of the partner"
					if !in(key, text) {
						t.Errorf("%d bytes are not found as %s behind %q", size, shown, before)
					}
					if !in([]byte(encode(key)), text) {
						t.Errorf("%d bytes stored as %s are not found as %s behind %q", size, stored, shown, before)
					}
				}
			}
		}
	}
}

func TestSixteenBytesAreFound(t *testing.T) {
	t.Parallel()
	key := random(t, 64)
	for start := range 48 {
		part := key[start : start+16]
		for shown, show := range encodings {
			if !in(key, "ends in "+show(part)) {
				t.Errorf("16 bytes from %d are not found as %s", start, shown)
			}
			// Inside of longer data, at each alignment of base64.
			for pad := range 3 {
				if !in(key, show(slices.Concat(random(t, pad), part, random(t, 5)))) {
					t.Errorf("16 bytes from %d are not found as %s behind %d others", start, shown, pad)
				}
			}
		}
		if !in([]byte("prefix "+hex.EncodeToString(key)), strings.ToUpper(hex.EncodeToString(part))) {
			t.Errorf("16 bytes from %d of hexadecimal inside a string are not found in the other case", start)
		}
	}
	if in(key, hex.EncodeToString(key[:8])+" and "+hex.EncodeToString(key[40:48])) {
		t.Error("two parts of 8 bytes are found, want none")
	}
}

func TestWholePassphrasesAreFound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value, text string
		want        bool
	}{
		{"hunter2", "the password is hunter2", true},
		{"hunter2", "Hunter2!", true},
		{"hunter2", "aHVudGVyMg==", true},
		{"hunter2", "68756e74657232", true},
		{"hunter2", "hunter", false},
		{"abc", "abc", false},
		{"x", "x", false},
		{"correct horse battery staple", "Correct Horse Battery", true},
		{"correct horse battery staple", "correct battery", false},
		{"----------------------------", "--------------------", true},
		{"a----------------------------", "--------------------", false},
		{"", "anything", false},
	} {
		if got := in([]byte(tt.value), tt.text); got != tt.want {
			t.Errorf("Find(%q in %q) = %t, want %t", tt.value, tt.text, got, tt.want)
		}
	}
}

func TestThePublicPartMayAppearInOtherFields(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	testOnlyThePrivatePartIsFound(t, key)
}

// The PEM of this key is made only of digits of base64url, because its dashes are digits as well.
// Of random keys, about one in fifty is like that.
func TestThePublicPartOfPEMThatLooksLikeBase64MayAppear(t *testing.T) {
	t.Parallel()
	// A key for this test only. It protects nothing.
	scalar, err := hex.DecodeString("6741acbe7d6f1c71d5c23db8393a4ba09a84a3399f37317b01b05dc63406e3c9")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), scalar)
	if err != nil {
		t.Fatal(err)
	}
	testOnlyThePrivatePartIsFound(t, key)
}

func testOnlyThePrivatePartIsFound(t *testing.T, key *ecdsa.PrivateKey) {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for _, value := range [][]byte{text, slices.Concat([]byte("My key\n"), text)} {
		for shown, want := range map[string]bool{
			string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})): false,
			hex.EncodeToString(public):                   false,
			hex.EncodeToString(scalar):                   true,
			base64.RawURLEncoding.EncodeToString(scalar): true,
			string(text): true,
			base64.StdEncoding.EncodeToString(private[30:]): true,
		} {
			if got := echo.Find(value, public, []string{shown}).Has(0); got != want {
				t.Errorf("Find(private key %.8q in %q) = %t, want %t", value, shown, got, want)
			}
		}
	}
}

func TestEachGroupIsJudgedByItself(t *testing.T) {
	t.Parallel()
	key := random(t, 32)
	value := bytes.Clone(key)
	got := echo.Find(value, nil, []string{"a"}, []string{"b", hex.EncodeToString(key)}, nil, []string{base64.StdEncoding.EncodeToString(key)})
	if want := echo.Groups(1<<1 | 1<<3); got != want {
		t.Errorf("Find = %b, want %b", got, want)
	}
	if !bytes.Equal(key, value) {
		t.Error("Find changed the value")
	}
}

func FuzzFind(f *testing.F) {
	for _, seed := range []string{"", "whsec_", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "0g", "a=b", "AAAA===="} {
		f.Add([]byte(seed), seed)
	}
	f.Fuzz(func(t *testing.T, value []byte, text string) {
		in(value, text)
		if len(value) >= 16 && !bytes.Contains(value, []byte("-----BEGIN")) && !in(value, text+" "+hex.EncodeToString(value)) &&
			bytes.Count(value, value[:1]) != len(value) {
			t.Errorf("Find(%q) misses its hexadecimal", value)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	value, text := random(b, 64<<10), strings.Repeat("a description of the key ", 40)
	b.ReportAllocs()
	for b.Loop() {
		echo.Find(value, nil, []string{"id"}, []string{text}, []string{"reason"})
	}
}

// TestShortStringsTakeNoMemory bounds the allocations: each must be erased when it is freed, which
// costs more than the search.
func TestShortStringsTakeNoMemory(t *testing.T) {
	value := random(t, 256)
	id, description := []string{"payments-0123456789"}, []string{"the key of a partner"}
	allocs := testing.AllocsPerRun(100, func() { echo.Find(value, nil, id, description) })
	if allocs > 0 {
		t.Errorf("Find allocates %v times, want 0", allocs)
	}
}
