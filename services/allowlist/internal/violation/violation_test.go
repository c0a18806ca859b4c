package violation_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

func TestEntriesOfMapsAreNamedByOrdinaryNamesOnly(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, key, want string }{
		{"a short name", "data", `blobs["data"]`},
		{"a header", "X-Api_Key.256", `blobs["X-Api_Key.256"]`},
		{"a long name", "X-Slack-Request-Timestamp", `blobs["X-Slack-Request-Timestamp"]`},
		{"the longest name", "a" + strings.Repeat("b", 31), `blobs["a` + strings.Repeat("b", 31) + `"]`},
		{"a longer one", "a" + strings.Repeat("b", 32), "blobs"},
		{"a key in base64url", "hJtXIZ2uSN5kbQfbtTNWbg", "blobs"},
		{"half a key in hexadecimal", "c0ffee5eed1dea7a", "blobs"},
		{"a key in hexadecimal", "c0ffee5eed1dea7ac0ffee5eed1dea7a", "blobs"},
		{"a token", "tok_9f86d081884c7d65", "blobs"},
		{"a leading digit", "0data", "blobs"},
		{"base64", "bWFnaWM=", "blobs"},
		{"a quotation mark", `a"]`, "blobs"},
		{"a line end", "data\n", "blobs"},
		{"nothing", "", "blobs"},
	} {
		if got := violation.Entry("blobs", tt.key); got != tt.want {
			t.Errorf("%s: Entry = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestSeveralErrorsBecomeTheMostSevere(t *testing.T) {
	t.Parallel()
	legacy := fault.New(fault.FailedPrecondition, violation.Legacy, "unsafe").With("flags", "ECB").At("a", "must acknowledge")
	missing := fault.New(fault.NotFound, "SECRET_NOT_FOUND", "none").At("b", "must be there").With("what", "secret")
	usage := fault.New(fault.FailedPrecondition, "USAGE_NOT_ALLOWED", "usage").At("c", "must be usable").With("what", "usage")
	malformed, key := fault.Field("d", "is required"), fault.New(fault.InvalidArgument, violation.DirectKey, "key").At("e", "must refer")
	opaque := errors.New("the disk failed")
	for _, tt := range []struct {
		name     string
		errs     []error
		reason   fault.Reason
		fields   string
		metadata map[string]string
	}{
		{"one", []error{nil, legacy}, violation.Legacy, "a", map[string]string{"flags": "ECB"}},
		{"two with the same rank: the first", []error{legacy, missing, usage}, "SECRET_NOT_FOUND", "abc", map[string]string{"flags": "ECB", "what": "secret"}},
		{"malformed fields before them", []error{usage, malformed, legacy}, fault.InvalidField, "cda", map[string]string{"flags": "ECB", "what": "usage"}},
		{"key material before all", []error{malformed, key}, violation.DirectKey, "de", nil},
	} {
		f, _ := fault.From(violation.Merge(tt.errs...))
		fields := ""
		for _, v := range f.Violations {
			fields += v.Field
		}
		if f.Reason != tt.reason || fields != tt.fields || !cmp.Equal(f.Metadata, tt.metadata) {
			t.Errorf("%s: Merge = %v of %s with %v", tt.name, f.Reason, fields, f.Metadata)
		}
	}
	if err := violation.Merge(nil, nil); err != nil {
		t.Errorf("Merge of nothing = %v", err)
	}
	if err := violation.Merge(malformed, opaque); err != opaque { //nolint:errorlint // it is returned alone
		t.Errorf("Merge with an error that is not a fault = %v", err)
	}
	if len(legacy.Violations) != 1 || len(missing.Metadata) != 1 {
		t.Error("Merge changes its arguments")
	}
}

func TestFieldsAreRenamedWithoutDuplicates(t *testing.T) {
	t.Parallel()
	err := violation.Name(fault.Fields(
		fault.Violation{Field: "a.x", Description: "is required"}, fault.Violation{Field: "b.x", Description: "is required"},
	), func(field string) string { return strings.TrimLeft(field, "ab.") })
	f, _ := fault.From(err)
	if diff := cmp.Diff([]fault.Violation{{Field: "x", Description: "is required"}}, f.Violations); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
	opaque := errors.New("the disk failed")
	if got := violation.Name(opaque, strings.ToUpper); !errors.Is(got, opaque) {
		t.Errorf("Name = %v", got)
	}
}
