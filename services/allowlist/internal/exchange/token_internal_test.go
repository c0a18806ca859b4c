package exchange

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// sample is a token with every part.
func sample() token {
	return token{
		left: payload.Exchange{Key: []byte("a key of a session"), IV: []byte("an iv")}, endpoint: "4711", caller: "https://issuer.example#\"jo\"",
		begun: sealing, expires: 1_900_000_000, versions: pinned{{"uid-a", 3}, {"uid-b", 0}},
	}
}

func TestTokensComeBack(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]token{
		"with every part":           sample(),
		"without a key or versions": {left: payload.Exchange{Key: []byte{}, IV: []byte{}}, endpoint: "4711", begun: opening},
		"with a long key and names": {
			left:     payload.Exchange{Key: make([]byte, 512), IV: make([]byte, 16)},
			endpoint: "4711", caller: strings.Repeat("c", 300), begun: opening, expires: -1,
			versions: pinned{{strings.Repeat("u", 200), 1 << 31}},
		},
	} {
		text := want.marshal()
		if got, err := parseToken(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: parseToken = %+v, %v, want %+v", name, got, err, want)
		}
		if len(want.versions) > 0 {
			continue // every prefix that ends after a version is a token
		}
		for n := range text {
			if got, err := parseToken(text[:n]); err == nil {
				t.Errorf("%s: parseToken of the first %d of %d bytes = %+v", name, n, len(text), got)
			}
		}
	}
}

// A growing slice would leave parts of a key in memory.
func TestATokenIsWrittenIntoOneAllocation(t *testing.T) {
	want := sample()
	if n := testing.AllocsPerRun(100, func() { _ = want.marshal() }); n > 1 {
		t.Errorf("marshal makes %v allocations, want 1", n)
	}
}

func TestTokensOfEarlierReleasesAreAccepted(t *testing.T) {
	t.Parallel()
	want := sample()
	want.versions = want.versions[:1] // the order of a map is random
	rest, err := json.Marshal(legacyToken{
		Endpoint: want.endpoint, Caller: want.caller, Begun: want.begun, Versions: map[string]uint32{"uid-a": 3}, Expires: want.expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	const golden = `{"e":"4711","c":"https://issuer.example#\"jo\"","b":"encrypted","v":{"uid-a":3},"x":1900000000}`
	if string(rest) != golden {
		t.Fatalf("the form of earlier releases is %s, want %s", rest, golden)
	}
	text := append([]byte{legacyFormat, byte(len(want.left.Key))}, want.left.Key...)
	text = append(append(text, byte(len(want.left.IV))), want.left.IV...)
	got, err := parseToken(append(text, rest...))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseToken = %+v, %v, want %+v", got, err, want)
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(sample().marshal())
	f.Add([]byte{legacyFormat, 1, 'k', 1, 'i', '{', '}'})
	f.Add([]byte{tokenFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseToken(text)
		if err != nil || text[0] == legacyFormat {
			return
		}
		again, err := parseToken(got.marshal())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("parseToken(%x) = %+v, and again %+v, %v", text, got, again, err)
		}
	})
}
