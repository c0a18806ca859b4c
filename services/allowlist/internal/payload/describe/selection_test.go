package describe_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

func TestASelectionSaysWhichValuesAreProtected(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]describe.Selection{
		``:                            {},
		`selection { whole_body {} }`: {},
		`selection { fields { paths: "$.a" paths: "$.b" value_form: VALUE_FORM_STRING skip_empty: true } }`: {
			Part: describe.Fields, Paths: []string{"$.a", "$.b"}, ValueForm: allowlistv1.Fields_VALUE_FORM_STRING, SkipEmpty: true,
		},
		`selection { fields { paths: "$.a" } }`: {Part: describe.Fields, Paths: []string{"$.a"}, ValueForm: allowlistv1.Fields_VALUE_FORM_JSON},
		`selection { object { path: "$.a" } }`:  {Part: describe.Object, Paths: []string{"$.a"}},
		`selection { form { names: "n" } }`:     {Part: describe.Form, Names: []string{"n"}},
	} {
		pb := new(allowlistv1.Profile)
		if err := prototext.Unmarshal([]byte(text), pb); err != nil {
			t.Fatalf("parse %s: %v", text, err)
		}
		if diff := cmp.Diff(want, describe.Of("request", pb).Selection()); diff != "" {
			t.Errorf("Selection of %q (-want +got):\n%s", text, diff)
		}
	}
}
