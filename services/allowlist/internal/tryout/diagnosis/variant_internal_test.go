package diagnosis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// profiles returns the profiles of all presets, and one with only defaults.
func profiles(t *testing.T) map[string]*allowlistv1.Profile {
	t.Helper()
	library, err := preset.New()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*allowlistv1.Profile)
	for _, p := range library.List() {
		if request := p.GetEncryption().GetRequest(); request.GetKind() != nil {
			all[p.GetId()] = request
		}
	}
	return all
}

func parse(t *testing.T, text string) *allowlistv1.Profile {
	t.Helper()
	p := new(allowlistv1.Profile)
	if err := prototext.Unmarshal([]byte(text), p); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	return p
}

// enough is how many variants the tests check: all with one change, and some with two.
const enough = 150

func all(p *allowlistv1.Profile, body string) []variant {
	var all []variant
	for v := range variantsOf("request", p, []byte(body)) {
		if all = append(all, v); len(all) == enough {
			break
		}
	}
	return all
}

func TestTheProfileItselfComesFirstAndEveryVariantIsAnother(t *testing.T) {
	t.Parallel()
	for id, p := range profiles(t) {
		before := proto.CloneOf(p)
		variants := all(p, "a:b")
		for i, v := range variants {
			for _, d := range v.Differences {
				if d.Configured == d.Works || !strings.HasPrefix(d.Field, "request.") || d.Works == "" {
					t.Errorf("%s: variant %d says %+v", id, i, d)
				}
			}
			if i == 0 != (len(v.Differences) == 0) || v.Profile.GetSigning() != nil {
				t.Errorf("%s: variant %d has the differences %v, and signs: %v", id, i, v.Differences, v.Profile.GetSigning() != nil)
			}
			if i > 0 && proto.Equal(v.Profile, variants[0].Profile) {
				t.Errorf("%s: variant %d, %v, is the profile itself", id, i, v.Differences)
			}
		}
		if len(variants) < 8 {
			t.Errorf("%s has %d variants", id, len(variants))
		}
		if diff := cmp.Diff(before, p, protocmp.Transform()); diff != "" {
			t.Errorf("%s was changed (-before +after):\n%s", id, diff)
		}
	}
}

func TestVariantsAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	for id, p := range profiles(t) {
		a, b := all(p, "a:b"), all(p, "a:b")
		for i := range a {
			if fmt.Sprint(a[i].Differences) != fmt.Sprint(b[i].Differences) || !proto.Equal(a[i].Profile, b[i].Profile) {
				t.Fatalf("%s: variant %d differs the second time: %v and %v", id, i, a[i].Differences, b[i].Differences)
			}
		}
	}
}

func TestNoVariantTakesTheIVFromTheKey(t *testing.T) {
	t.Parallel()
	for id, p := range profiles(t) {
		for _, v := range all(p, "a:b") {
			if v.Profile.GetCipher().GetIv().GetSource() == allowlistv1.Iv_SOURCE_KEY_PREFIX && p.GetCipher().GetIv().GetSource() != allowlistv1.Iv_SOURCE_KEY_PREFIX {
				t.Errorf("%s: the variant %v would show the key", id, v.Differences)
			}
		}
	}
}

func TestAMessageIsSplitWhereItCanBe(t *testing.T) {
	t.Parallel()
	p := parse(t, `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "a" } } }`)
	separated := func(body, separator string) bool {
		for _, v := range all(p, body) {
			if strings.Contains(v.Profile.GetEnvelope().GetText(), "}"+separator+"${") {
				return true
			}
		}
		return false
	}
	for _, separator := range []string{":", ".", "|"} {
		if !separated("a"+separator+"b", separator) || separated("ab", separator) {
			t.Errorf("a message without %q is split at it, or one with it is not", separator)
		}
	}
}

func TestACipherWithoutATagSendsNone(t *testing.T) {
	t.Parallel()
	p := parse(t, `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "a" } } aad { text: "v1" } }
		envelope { blobs { key: "i" value { parts { slot: SLOT_IV } } } blobs { key: "t" value { parts { slot: SLOT_TAG } } } blobs { key: "d" value { parts { slot: SLOT_CIPHERTEXT } } }
		text: "${i}.${t}.${d}" }`)
	for _, v := range all(p, "") {
		if len(v.Differences) != 1 || v.Differences[0].Works != "AES_256_CBC" {
			continue
		}
		e := v.Profile.GetEnvelope()
		if e.GetText() != "${i}.${d}" || len(e.GetBlobs()) != 2 || v.Profile.GetCipher().GetAad() != nil {
			t.Errorf("CBC for GCM is %v", v.Profile)
		}
		return
	}
	t.Error("CBC for GCM is not tried")
}

// Some configured encodings also read messages in other encodings, without a change.
func TestEncodingsThatAreReadAnywayAreNoVariants(t *testing.T) {
	t.Parallel()
	for configured, want := range map[string][]string{
		"BASE64":      {"HEX", "RAW"},
		"BASE64URL":   {"HEX", "RAW"},
		"BASE64_MIME": {"HEX", "RAW"},
		"HEX_UPPER":   {"BASE64", "RAW"},
	} {
		p := parse(t, `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "a" } } }
			envelope { blobs { key: "d" value { encoding: ENCODING_`+configured+` parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "${d}" }`)
		var got []string
		for _, v := range all(p, "") {
			if len(v.Differences) == 1 && v.Differences[0].Field == "request.envelope.blobs.encoding" {
				got = append(got, v.Differences[0].Works)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: encodings that are tried (-want +got):\n%s", configured, diff)
		}
	}
}
