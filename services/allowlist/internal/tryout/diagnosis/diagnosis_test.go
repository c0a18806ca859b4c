package diagnosis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/diagnosis"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// problem is a message that fails to decrypt, under a profile in proto text with one key.
func problem(t *testing.T, profile string, body string) diagnosis.Case {
	t.Helper()
	p := new(allowlistv1.Profile)
	if err := prototext.Unmarshal([]byte(profile), p); err != nil {
		t.Fatalf("parse %s: %v", profile, err)
	}
	return diagnosis.Case{
		Path: "request", Profile: p, Workspace: "acme", Now: now, Body: []byte(body), Plaintext: []byte("what it is known to hold"), Turn: func() slowwork.Turn { return nil },
		Key: func(payload.Reference) []payload.Key {
			return []payload.Key{{Value: sensitive.New([]byte(strings.Repeat("k", 32))), Version: 1}}
		},
	}
}

const gcm = `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "workspaces/acme/secrets/a" } } }`

func TestTheNumberOfVariantsDoesNotDependOnThePlaintext(t *testing.T) {
	t.Parallel()
	tried := diagnosis.Find(t.Context(), problem(t, gcm, strings.Repeat("A", 200))).Tried
	if tried < 100 || tried > 2000 {
		t.Errorf("tried %d variants, want 100 to 2,000", tried)
	}
	for _, body := range []string{strings.Repeat("7", 200), strings.Repeat("{", 200)} {
		if got := diagnosis.Find(t.Context(), problem(t, gcm, body)).Tried; got != tried {
			t.Errorf("tried %d variants of %q, and %d of another message", got, body[:1], tried)
		}
	}
}

func TestSlowDerivationsLeaveRoomForFewVariants(t *testing.T) {
	t.Parallel()
	slow := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "workspaces/acme/secrets/a" }
		derivation { pbkdf2 { iterations: 300000 } salt { sent_bytes: 8 } } } }
		envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "${data}" }`
	answer := diagnosis.Find(t.Context(), problem(t, slow, strings.Repeat("A", 200)))
	if answer.Found || answer.Tried < 5 || answer.Tried > 400 {
		t.Errorf("Find = %+v, want 5 to 400 variants", answer)
	}
}

func TestACanceledSearchEnds(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if answer := diagnosis.Find(cancelled, problem(t, gcm, "AAAA")); answer.Tried != 0 || answer.Found {
		t.Errorf("Find with a canceled context = %+v", answer)
	}
}

func TestALateSearchEnds(t *testing.T) {
	t.Parallel()
	p := problem(t, gcm, "AAAA")
	asked := 0
	p.Late = func() bool {
		asked++
		return asked > 3
	}
	if answer := diagnosis.Find(t.Context(), p); answer.Tried != 3 || answer.Found {
		t.Errorf("Find until it is late = %+v, want 3 variants", answer)
	}
}

func TestAKeyThatIsNotThereIsNoVariant(t *testing.T) {
	t.Parallel()
	p := problem(t, gcm, "AAAA")
	p.Key = func(payload.Reference) []payload.Key { return nil }
	if answer := diagnosis.Find(t.Context(), p); answer.Tried != 0 || answer.Found {
		t.Errorf("Find without a key = %+v", answer)
	}
}

// Android's default and openssl enc -a break base64 into lines.
func TestBase64InLinesIsFound(t *testing.T) {
	t.Parallel()
	p := problem(t, gcm, "")
	p.Plaintext = []byte(strings.Repeat("what it is known to hold ", 8))
	config, err := payload.Parse(&allowlistv1.Encryption{Request: p.Profile}, "acme", now)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := config.Pipeline(payload.Request).Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: payload.Keys{p.Key(payload.Reference{})}, Body: p.Plaintext})
	if err != nil {
		t.Fatal(err)
	}
	for rest := sent.Body; len(rest) > 0; rest = rest[min(64, len(rest)):] {
		p.Body = append(append(p.Body, rest[:min(64, len(rest))]...), '\n')
	}
	part := func(slot allowlistv1.Part_Slot) *allowlistv1.Part {
		return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slot}}
	}
	p.Profile.Envelope = &allowlistv1.Envelope{Blobs: map[string]*allowlistv1.Blob{"data": {
		Encoding: allowlistv1.Encoding_ENCODING_HEX,
		Parts:    []*allowlistv1.Part{part(allowlistv1.Part_SLOT_IV), part(allowlistv1.Part_SLOT_CIPHERTEXT), part(allowlistv1.Part_SLOT_TAG)},
	}}}
	answer := diagnosis.Find(t.Context(), p)
	want := []diagnosis.Difference{{Field: "request.envelope.blobs.encoding", Configured: "HEX", Works: "BASE64"}}
	if diff := cmp.Diff(want, answer.Differences); !answer.Found || diff != "" {
		t.Errorf("Find = %v after %d, differences (-want +got):\n%s", answer.Found, answer.Tried, diff)
	}
}

// Once the purpose of a key is sealed, a diagnosis tries other layouts and nothing else with it:
// another mode or derivation would be an oracle for the sealed one.
func TestAKeyWithASealedPurposeIsTriedForThatPurposeOnly(t *testing.T) {
	t.Parallel()
	const secret = "workspaces/acme/secrets/a"
	cbc := `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "` + secret + `" } %s } }
		allow_legacy { flag: FLAG_UNAUTHENTICATED_CBC reason: "a test" expire_time { seconds: 1800000000 } } %s`
	for name, tt := range map[string]struct {
		theirs             string
		sealed, foundOther bool
	}{
		"a derivation":                {fmt.Sprintf(cbc, "derivation { digest { hash: HASH_SHA256 } }", ""), false, true},
		"a derivation, once sealed":   {fmt.Sprintf(cbc, "derivation { digest { hash: HASH_SHA256 } }", ""), true, false},
		"another layout, once sealed": {fmt.Sprintf(cbc, "", `envelope { blobs { key: "data" value { parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_IV } } } }`), true, true},
	} {
		theirs := problem(t, tt.theirs, "")
		config, err := payload.Parse(&allowlistv1.Encryption{Request: theirs.Profile}, "acme", now)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := config.Pipeline(payload.Request).Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: payload.Keys{theirs.Key(payload.Reference{})}, Body: theirs.Plaintext})
		if err != nil {
			t.Fatal(err)
		}
		p := problem(t, fmt.Sprintf(cbc, "", ""), string(sent.Body))
		p.Sealed = map[string]bool{secret: tt.sealed}
		if answer := diagnosis.Find(t.Context(), p); answer.Found != tt.foundOther {
			t.Errorf("%s: Find = %v after %d, want %v", name, answer.Found, answer.Tried, tt.foundOther)
		}
	}
}
