package payload_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestFindingsNameNoEntryWhoseNameCannotBeOne(t *testing.T) {
	t.Parallel()
	_, err := payload.Parse(message(t, "request { "+gcm+` envelope { `+blobOf("Pasted", "HEX", "IV", "CIPHERTEXT", "TAG", `""`)+` } }`), "acme", now)
	if _, fields := found(t, err); slicesHold(fields, "Pasted") || !slicesHold(fields, ".blobs.parts[3].literal") {
		t.Errorf("fields = %v, want the parts of the map without its key", fields)
	}
}

func slicesHold(texts []string, part string) bool {
	return strings.Contains(strings.Join(texts, " "), part)
}

func TestWhatIsMalformedDoesNotHideWhatItsKeysAre(t *testing.T) {
	t.Parallel()
	raw := strings.Replace(gcm, "DECODING_HEX", "DECODING_RAW", 1)
	c, err := payload.Parse(message(t, "request { "+raw+` selection {} } rotation_grace { seconds: -1 }`), "acme", now)
	if !fault.Is(err, fault.InvalidField) {
		t.Fatalf("Parse = %v", err)
	}
	want := []payload.Reference{{Secret: "workspaces/acme/secrets/a", Field: "request.cipher.shared_key.keys[0]"}}
	if diff := cmp.Diff(want, c.References(), anyPurpose); diff != "" {
		t.Errorf("References (-want +got):\n%s", diff)
	}
	err = c.CheckFacts(func(payload.Reference) (payload.Facts, bool) { return payload.Facts{Bytes: 16}, true })
	if _, fields := found(t, err); !cmp.Equal(fields, []string{"encryption.request.cipher.shared_key.keys[0]"}) {
		t.Errorf("CheckFacts: %v", err)
	}
	for _, text := range []string{"", "response { " + raw + " }", "request {}"} {
		c, err := payload.Parse(message(t, text), "acme", now)
		if err == nil || c.CheckFacts(func(payload.Reference) (payload.Facts, bool) { return payload.Facts{Bytes: 16}, true }) != nil {
			t.Errorf("Parse(%q) = %v, want violations, and none of its keys", text, err)
		}
	}
}

func TestChoicesThatAreNotAcknowledgedAreNamedBesideOtherFindings(t *testing.T) {
	t.Parallel()
	cbc := under("AES_256_CBC", "")
	_, err := payload.Parse(message(t, "request { "+cbc+" selection {} }"), "acme", now)
	f, _ := fault.From(err)
	if !fault.Is(err, fault.InvalidField) || f.Metadata["flags"] != "UNAUTHENTICATED_CBC" {
		t.Errorf("Parse = %v with %v, want INVALID_FIELD that names the flag", err, f)
	}
	expired := `allow_legacy { flag: FLAG_UNAUTHENTICATED_CBC reason: "why" expire_time { seconds: 1 } }`
	_, err = payload.Parse(message(t, "request { "+cbc+expired+" }"), "acme", now)
	f, _ = fault.From(err)
	if len(f.Violations) != 1 || !strings.Contains(f.Violations[0].Description, "UNAUTHENTICATED_CBC") {
		t.Errorf("Parse of an acknowledgement that has expired = %v, want its flag named", err)
	}
}
