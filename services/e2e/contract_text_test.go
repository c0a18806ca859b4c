package e2e

import (
	"regexp"
	"slices"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// TestStringsForPeopleHaveNoInvisibleCharacters checks that strings for people contain no invisible
// characters. One person writes a string and another reads it in a terminal or a browser, where a
// control character moves the cursor and a directional mark makes a string look like another one.
func TestStringsForPeopleHaveNoInvisibleCharacters(t *testing.T) {
	t.Parallel()
	unseen := []string{"a\x00", "a\a", "a\x1b[2J", "a\x7f", "a\u0085", "a\u009b2J", "a\u202eb", "a\u2066b"}
	names := []protoreflect.Name{"reason", "legacy_reason", "description", "display_name", "public_reason", "url_public_reason"}
	found := 0
	eachInput(t, func(field protoreflect.FieldDescriptor) {
		if !slices.Contains(names, field.Name()) {
			return
		}
		found++
		pattern, err := regexp.Compile(patternOf(t, field))
		if err != nil {
			t.Fatalf("%s: %v", field.FullName(), err)
		}
		for _, text := range unseen {
			if pattern.MatchString(text) {
				t.Errorf("%s accepts %q", field.FullName(), text)
			}
		}
		for _, text := range []string{"", "Renewed, see ticket 7.", "Schlüssel für Ägypten 🔑"} {
			if !pattern.MatchString(text) {
				t.Errorf("%s refuses %q", field.FullName(), text)
			}
		}
	})
	if found < 15 {
		t.Errorf("found %d strings, want all of both contracts", found)
	}
}

// eachInput visits the fields of all requests that callers set, at any depth, each once.
func eachInput(t testing.TB, visit func(protoreflect.FieldDescriptor)) {
	t.Helper()
	seen := make(map[protoreflect.FullName]bool)
	var walk func(protoreflect.MessageDescriptor)
	walk = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			field := m.Fields().Get(i)
			behavior, _ := proto.GetExtension(field.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
			if slices.Contains(behavior, annotations.FieldBehavior_OUTPUT_ONLY) {
				continue
			}
			visit(field)
			if field.Message() != nil {
				walk(field.Message())
			}
		}
	}
	for _, file := range []protoreflect.FileDescriptor{
		vaultv1.File_keyward_vault_v1_service_proto, allowlistv1.File_keyward_allowlist_v1_service_proto,
		vaultv1.File_keyward_vault_v1_keyring_proto, allowlistv1.File_keyward_allowlist_v1_keyring_proto,
	} {
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			walk(methods.Get(i).Input())
		}
	}
}

// patternOf returns the pattern that the contract specifies for a string, or nothing.
func patternOf(t testing.TB, field protoreflect.FieldDescriptor) string {
	t.Helper()
	extension, err := protoregistry.GlobalTypes.FindExtensionByName("buf.validate.field")
	check(t, err)
	if !proto.HasExtension(field.Options(), extension) {
		return ""
	}
	rules := field.Options().ProtoReflect().Get(extension.TypeDescriptor()).Message()
	of := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	return of(of(rules, "string").Message(), "pattern").String()
}
