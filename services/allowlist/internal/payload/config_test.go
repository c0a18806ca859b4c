package payload_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestParseLooksAtBothDirections(t *testing.T) {
	t.Parallel()
	_, err := payload.Parse(message(t, "request { "+bareCBC+" } response { "+bareCBC+" }"), "acme", now)
	f, _ := fault.From(err)
	if reason, fields := found(t, err); reason != payload.LegacyNotAcknowledged || f.Kind != fault.FailedPrecondition ||
		!cmp.Equal(fields, []string{"encryption.request.allow_legacy", "encryption.response.allow_legacy"}) ||
		!cmp.Equal(f.Metadata, map[string]string{"flags": "UNAUTHENTICATED_CBC"}) {
		t.Errorf("Parse: %v with metadata %v", err, f.Metadata)
	}
	for _, pb := range []*allowlistv1.Encryption{nil, {}} {
		if _, err := payload.Parse(pb, "acme", now); !fault.Is(err, fault.InvalidField) {
			t.Errorf("Parse of nothing: %v", err)
		}
	}
}

func TestAcknowledgementMayLastTwoYears(t *testing.T) {
	t.Parallel()
	for _, expires := range []time.Time{now.Add(1), now.AddDate(2, 0, 0)} {
		pb := message(t, "request { "+cbc+" }")
		pb.GetRequest().GetAllowLegacy()[0].ExpireTime = timestamppb.New(expires)
		if _, err := payload.Parse(pb, "acme", now); err != nil {
			t.Errorf("Parse with an acknowledgement until %v: %v", expires, err)
		}
	}
}

func TestUnknownFieldsAreRefused(t *testing.T) {
	t.Parallel()
	pb := message(t, "request { "+gcm+" }")
	unknown := protowire.AppendString(protowire.AppendTag(nil, 999, protowire.BytesType), canary)
	pb.GetRequest().GetCipher().ProtoReflect().SetUnknown(unknown)
	_, err := payload.Parse(pb, "acme", now)
	if reason, fields := found(t, err); reason != fault.InvalidField || !cmp.Equal(fields, []string{"encryption.request.cipher"}) {
		t.Errorf("Parse with an unknown field: %v", err)
	}
	stored, err := proto.Marshal(pb)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := payload.Load(append([]byte{1}, stored...)); err == nil {
		t.Error("Load with an unknown field succeeded")
	}
}

const canary = "c4n4ry-4711-c4n4ry"

// A key that is pasted into any position of a reference in any message is refused before all other
// checks, and no error repeats it in any form.
func TestKeysInPlaceOfReferencesAreRefused(t *testing.T) {
	t.Parallel()
	pasted := []string{
		canary, "workspaces/" + canary, "workspaces/acme/secrets/" + canary + "/versions/1",
		"workspaces//secrets/" + canary, "workspaces/acme/secrets/" + canary + "=", "-----BEGIN " + canary,
		" workspaces/acme/secrets/" + canary, "workspaces/acme/secrets/" + canary + "\n",
	}
	count := 0
	eachPosition(new(allowlistv1.Encryption).ProtoReflect().Type(), func(root protoreflect.Message, ref *allowlistv1.SecretRef) {
		count++
		for _, text := range pasted {
			ref.Name = text
			_, err := payload.Parse(root.Interface().(*allowlistv1.Encryption), "acme", now)
			if !fault.Is(err, payload.DirectKeyNotSupported) {
				t.Errorf("Parse with %q in position %d: %v", text, count, err)
			}
			noEcho(t, err)
		}
	})
	if count < 4 {
		t.Errorf("found %d positions of references, want at least 4", count)
	}
}

// eachPosition builds, for each place below a message type where a reference may occur, a message
// in which only that place is filled.
func eachPosition(of protoreflect.MessageType, visit func(root protoreflect.Message, ref *allowlistv1.SecretRef)) {
	refName := new(allowlistv1.SecretRef).ProtoReflect().Descriptor().FullName()
	var descend func(d protoreflect.MessageDescriptor, way []protoreflect.FieldDescriptor)
	descend = func(d protoreflect.MessageDescriptor, way []protoreflect.FieldDescriptor) {
		if d.FullName() == refName {
			root := of.New()
			at := root
			for _, field := range way {
				if field.IsList() {
					at = at.Mutable(field).List().AppendMutable().Message()
				} else {
					at = at.Mutable(field).Message()
				}
			}
			visit(root, at.Interface().(*allowlistv1.SecretRef))
			return
		}
		for i := range d.Fields().Len() {
			if field := d.Fields().Get(i); field.Message() != nil && !field.IsMap() {
				descend(field.Message(), append(way[:len(way):len(way)], field))
			}
		}
	}
	descend(of.Descriptor(), nil)
}

// referencesIn finds references by their type, wherever they are.
func referencesIn(m proto.Message) []*allowlistv1.SecretRef {
	var refs []*allowlistv1.SecretRef
	var visit func(m protoreflect.Message)
	visit = func(m protoreflect.Message) {
		if ref, ok := m.Interface().(*allowlistv1.SecretRef); ok {
			refs = append(refs, ref)
		}
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			switch {
			case field.Message() == nil || !m.Has(field) || field.IsMap():
			case field.IsList():
				for j := range m.Get(field).List().Len() {
					visit(m.Get(field).List().Get(j).Message())
				}
			default:
				visit(m.Get(field).Message())
			}
		}
	}
	visit(m.ProtoReflect())
	return refs
}

// noEcho fails if an error holds the canary in any form.
func noEcho(t *testing.T, err error) {
	t.Helper()
	var text strings.Builder
	for e := err; e != nil; e = errors.Unwrap(e) {
		text.WriteString(e.Error())
	}
	if f, ok := fault.From(err); ok {
		for key, value := range f.Metadata {
			text.WriteString(key + value)
		}
	}
	for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary))} {
		if strings.Contains(text.String(), form) {
			t.Errorf("the error repeats the input: %s", text.String())
		}
	}
}

// A canary in a string of a configuration may be refused or accepted, but a refusal does not
// repeat it.
func TestNoViolationRepeatsInput(t *testing.T) {
	t.Parallel()
	full := "request { " + cbc + fields("", "$.a", "$."+canary) + `envelope { blobs { key: "` + canary + `" value { parts {} } } text: "` + canary + `${" content_type: "` + canary + `" } ` +
		strings.Replace(mac, "X-Signature", canary+" ", 1) + " } response { " + gcm + `envelope { json: "` + canary + `" } }`
	pb := message(t, full)
	pb.GetRequest().GetAllowLegacy()[0].Reason = strings.Repeat(canary, 40)
	_, err := payload.Parse(pb, canary, now)
	if err == nil {
		t.Fatal("Parse succeeded")
	}
	noEcho(t, err)
}

func TestLoadRestoresWhatMarshalWrote(t *testing.T) {
	t.Parallel()
	pb := message(t, "request { "+cbc+mac+" }")
	saved, err := payload.Parse(pb, "acme", now)
	if err != nil {
		t.Fatal(err)
	}
	pb.GetRequest().GetCipher().GetSharedKey().GetKeys()[0].Name = "changed by the caller"
	stored, err := saved.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := payload.Load(stored)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if diff := cmp.Diff(saved.Proto(), loaded.Proto(), protocmp.Transform()); diff != "" {
		t.Errorf("Load(Marshal) (-want +got):\n%s", diff)
	}
	body := encrypt(t, saved.Pipeline(payload.Request), "body").Body
	if got := decrypt(t, loaded.Pipeline(payload.Response), string(body)); got != "body" {
		t.Errorf("the loaded configuration opens %q", got)
	}
	if diff := cmp.Diff([]string{"workspaces/acme/secrets/a", "workspaces/acme/secrets/b"}, loaded.Secrets()); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
	for _, bad := range [][]byte{nil, {0}, {2}, {1}, {1, 0xff}, stored[:len(stored)-1]} {
		if _, err := payload.Load(bad); err == nil {
			t.Errorf("Load(%x) succeeded", bad)
		} else if _, ok := fault.From(err); ok {
			t.Errorf("Load(%x) blames the caller: %v", bad, err)
		}
	}
}

func TestSecretsAreNamedOnce(t *testing.T) {
	t.Parallel()
	c := config(t, strings.Replace(gcm, ref, refB+ref+refB, 1)+mac)
	if diff := cmp.Diff([]string{"workspaces/acme/secrets/a", "workspaces/acme/secrets/b"}, c.Secrets()); diff != "" {
		t.Errorf("Secrets (-want +got):\n%s", diff)
	}
}

func TestRedactedShowsNoReference(t *testing.T) {
	t.Parallel()
	c := config(t, gcmTwo+mac)
	redacted := c.Redacted()
	for _, ref := range referencesIn(redacted) {
		if ref.GetName() != "set" {
			t.Errorf("a reference reads %q, want set", ref.GetName())
		}
		ref.Name = ""
	}
	want := c.Proto()
	for _, ref := range referencesIn(want) {
		ref.Name = ""
	}
	if diff := cmp.Diff(want, redacted, protocmp.Transform()); diff != "" {
		t.Errorf("Redacted changes more than names (-want +got):\n%s", diff)
	}
	if got := c.Secrets(); len(got) != 2 {
		t.Errorf("Redacted changed the configuration: %v", got)
	}
}

func TestReferencesCarryVersions(t *testing.T) {
	t.Parallel()
	p := pipeline(t, strings.Replace(gcmTwo, "secrets/b\"", "secrets/b\" version: 7", 1)+mac)
	const cipher, signing = "request.cipher.shared_key.keys", "request.signing.keys"
	a := payload.Reference{Secret: "workspaces/acme/secrets/a", Field: cipher + "[0]"}
	wantEncrypt := []payload.Reference{a, {Secret: "workspaces/acme/secrets/b", Field: signing + "[0]"}}
	if diff := cmp.Diff(wantEncrypt, p.EncryptReferences(), anyPurpose); diff != "" {
		t.Errorf("EncryptReferences (-want +got):\n%s", diff)
	}
	// Only references to the current version include versions before it.
	a.Previous = true
	wantDecrypt := []payload.Reference{a, {Secret: "workspaces/acme/secrets/b", Version: 7, Field: cipher + "[1]"}}
	wantDecrypt = append(wantDecrypt, payload.Reference{Secret: "workspaces/acme/secrets/b", Previous: true, Field: signing + "[0]"})
	if diff := cmp.Diff(wantDecrypt, p.DecryptReferences(), anyPurpose); diff != "" {
		t.Errorf("DecryptReferences (-want +got):\n%s", diff)
	}
}
