package secret

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/services/vault/internal/stored"
)

// A list decodes the records of secrets with a message of its own.
func TestAListedSecretHasTheFieldsOfASecret(t *testing.T) {
	t.Parallel()
	listed := new(stored.ListedSecret).ProtoReflect().Descriptor().Fields()
	secret := new(stored.Secret).ProtoReflect().Descriptor().Fields()
	if listed.Len() != secret.Len() {
		t.Errorf("ListedSecret has %d fields, want the %d of Secret", listed.Len(), secret.Len())
	}
	for i := range secret.Len() {
		want := secret.Get(i)
		got := listed.ByNumber(want.Number())
		kind := want.Kind()
		if kind == protoreflect.MessageKind && !want.IsMap() {
			kind = protoreflect.BytesKind
		}
		if got == nil || got.Name() != want.Name() || got.Kind() != kind || got.IsList() != want.IsList() {
			t.Errorf("ListedSecret has no %s of kind %s", want.Name(), kind)
		}
	}
}

func TestAListShowsWhatIsStored(t *testing.T) {
	t.Parallel()
	text, err := encode(codecs(t)["secret"].message)
	if err != nil {
		t.Fatal(err)
	}
	name := Name{Workspace: "acme", ID: "key"}
	want, err := parseSecret(name, text)
	if err != nil {
		t.Fatal(err)
	}
	want.LastChange, want.Ports, want.UsedPorts, want.Public, want.Kind, want.EarlierUse, want.Deferred = 0, false, nil, false, 0, "", 0
	want.CheckFailures, want.EarlierCheckFailures, want.Restores, want.Skipped = 0, 0, 0, nil
	want.Purpose, want.Holders, want.Replaced, want.Rewrites, want.Destroyed = nil, nil, nil, nil, nil
	var got listed
	if err := got.parse(name, text); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.secret); diff != "" {
		t.Errorf("the listed secret differs (-want +got):\n%s", diff)
	}
}

func TestAMalformedRecordIsNotListed(t *testing.T) {
	t.Parallel()
	var got listed
	for _, text := range []string{"", "\x0a\x01x", "\xff"} {
		if err := got.parse(Name{}, []byte(text)); err == nil {
			t.Errorf("parse(%q) succeeds", text)
		}
	}
}

// A list uses the memory of one secret for the next.
func TestAListedSecretHasNothingOfTheOneBefore(t *testing.T) {
	t.Parallel()
	full, err := encode(codecs(t)["secret"].message)
	if err != nil {
		t.Fatal(err)
	}
	uid := make([]byte, uidSize)
	bare, err := encode(&stored.Secret{Uid: uid})
	if err != nil {
		t.Fatal(err)
	}
	var fresh, used listed
	for _, text := range [][]byte{full, bare, full, bare} {
		if err := used.parse(Name{"acme", "key"}, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := fresh.parse(Name{"acme", "key"}, bare); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fresh.secret, used.secret); diff != "" {
		t.Errorf("the secret differs after another one (-want +got):\n%s", diff)
	}
}
