package resource_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestIDsFollowTheRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, id string
		want     bool
	}{
		{"a letter", "a", true},
		{"all kinds of characters", "A-b_c.9", true},
		{"128 characters", strings.Repeat("x", 128), true},
		{"129 characters", strings.Repeat("x", 129), false},
		{"nothing", "", false},
		{"a dash alone stands for any", "-", false},
		{"a dash in front", "-a", false},
		{"a dot at the end", "a.", false},
		{"a slash", "a/b", false},
		{"a blank", "a b", false},
		{"a letter beyond ASCII", "ä", false},
		{"a NUL", "a\x00b", false},
	}
	for _, tt := range tests {
		if got := resource.ValidID(tt.id); got != tt.want {
			t.Errorf("%s: ValidID(%q) = %v, want %v", tt.name, tt.id, got, tt.want)
		}
	}
}

func TestCutTakesExactNamesOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text    string
		workspace, id string
		ok, okAny     bool
	}{
		{"a name", "workspaces/w/secrets/s", "w", "s", true, true},
		{"the wildcard", "workspaces/w/secrets/-", "w", "-", false, true},
		{"a version", "workspaces/w/secrets/s/versions/1", "", "", false, false},
		{"another collection", "workspaces/w/endpoints/e", "", "", false, false},
		{"no workspace", "secrets/s", "", "", false, false},
		{"an empty workspace", "workspaces//secrets/s", "", "", false, false},
		{"a wildcard workspace", "workspaces/-/secrets/-", "", "", false, false},
		{"a slash behind", "workspaces/w/secrets/s/", "", "", false, false},
		{"a slash before", "/workspaces/w/secrets/s", "", "", false, false},
		{"nothing", "", "", "", false, false},
	}
	for _, tt := range tests {
		if _, _, ok := resource.Cut(tt.text, "secrets"); ok != tt.ok {
			t.Errorf("%s: Cut(%q) = %v, want %v", tt.name, tt.text, ok, tt.ok)
		}
		workspace, id, ok := resource.CutAny(tt.text, "secrets")
		if ok != tt.okAny || (ok && (workspace != tt.workspace || id != tt.id)) {
			t.Errorf("%s: CutAny(%q) = %q, %q, %v, want %q, %q, %v", tt.name, tt.text, workspace, id, ok, tt.workspace, tt.id, tt.okAny)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"workspaces/w", "workspaces/w/secrets/s", "workspaces/w/secrets/-", "a/b", "", "workspaces/w/secrets/s/versions/1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := resource.ParseWorkspace(text); err == nil && resource.WorkspaceName(id) != text {
			t.Errorf("ParseWorkspace(%q) = %q", text, id)
		}
		if workspace, id, ok := resource.Cut(text, "secrets"); ok && "workspaces/"+workspace+"/secrets/"+id != text {
			t.Errorf("Cut(%q) = %q, %q", text, workspace, id)
		}
		if segments, ok := resource.Segments(text); ok && strings.Join(segments, "/") != text {
			t.Errorf("Segments(%q) = %q", text, segments)
		}
	})
}

func TestAMaskNamesWhatChanges(t *testing.T) {
	t.Parallel()
	changeable := []string{"description", "labels", "value", "allowed_hosts"}
	set := &vaultv1.Secret{Name: "n", Description: "d", Labels: map[string]string{"a": "b"}}
	tests := []struct {
		name  string
		paths []string
		want  []string // nil: refused
	}{
		{"no mask means the fields that are set", nil, []string{"description", "labels"}},
		{"a field", []string{"value"}, []string{"value"}},
		{"a leaf means the field", []string{"value.text"}, []string{"value"}},
		{"two leaves of a map mean it once", []string{"labels.a", "labels.b"}, []string{"labels"}},
		{"name and etag change nothing", []string{"name", "etag", "description"}, []string{"description"}},
		{"a key of a map may hold dots", []string{"labels.a.b"}, []string{"labels"}},
		{"a leaf that is not there is refused", []string{"value.bogus"}, nil},
		{"a leaf below a leaf is refused", []string{"value.text.x"}, nil},
		{"an empty leaf is refused", []string{"value."}, nil},
		{"an empty key is refused", []string{"labels."}, nil},
		{"a leaf of a text is refused", []string{"description.x"}, nil},
		{"a leaf of a list is refused", []string{"allowed_hosts.x"}, nil},
		{"an output-only field is refused", []string{"uid"}, nil},
		{"an unknown field is refused", []string{"color"}, nil},
		{"a star is refused", []string{"*"}, nil},
	}
	for _, tt := range tests {
		got, err := resource.MaskedFields(set, &fieldmaskpb.FieldMask{Paths: tt.paths}, changeable...)
		if tt.want == nil {
			if !fault.Is(err, fault.InvalidField) {
				t.Errorf("%s: MaskedFields(%q) = %q, %v, want INVALID_FIELD", tt.name, tt.paths, got, err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: MaskedFields(%q): %v (-want +got):\n%s", tt.name, tt.paths, err, diff)
		}
	}
}

func TestAMaskNamesTheKeysOfAMap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		paths []string
		want  []string
	}{
		{"no mask names no key", nil, nil},
		{"the whole field", []string{"labels"}, nil},
		{"keys, each once", []string{"labels.a", "description", "labels.b", "labels.a"}, []string{"a", "b"}},
		{"the rest of the path is the key", []string{"labels.a.b_c-d"}, []string{"a.b_c-d"}},
		{"the whole field wins", []string{"labels.a", "labels", "labels.b"}, nil},
		{"another field", []string{"value.text", "labelsx.a"}, nil},
	}
	for _, tt := range tests {
		got := resource.MaskedKeys(&fieldmaskpb.FieldMask{Paths: tt.paths}, "labels")
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: MaskedKeys(%q) (-want +got):\n%s", tt.name, tt.paths, diff)
		}
	}
}

func TestMergedKeysLeaveTheOthers(t *testing.T) {
	t.Parallel()
	before, changed := map[string]string{"a": "1", "b": "2"}, map[string]string{"a": "3", "c": "4"}
	for _, tt := range []struct {
		keys []string
		want map[string]string
	}{
		{nil, changed},
		{[]string{"a"}, map[string]string{"a": "3", "b": "2"}},
		{[]string{"b", "c", "d"}, map[string]string{"a": "1", "c": "4"}},
	} {
		if diff := cmp.Diff(tt.want, resource.MergeKeys(before, changed, tt.keys)); diff != "" {
			t.Errorf("MergeKeys with %q (-want +got):\n%s", tt.keys, diff)
		}
	}
	if before["a"] != "1" || len(before) != 2 {
		t.Errorf("MergeKeys changed its argument to %v", before)
	}
}
