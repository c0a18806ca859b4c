package api_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestUpdateChangesTheFieldsOfTheMask(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	full := &vaultv1.Secret{
		Description: "new", Labels: map[string]string{"b": "2"}, AllowedHosts: []string{"b.example"},
		Value: vaulttest.Text("new value"), Uid: "x", MaskedValue: "y", Usage: vaultv1.Usage_USAGE_CREDENTIAL,
	}
	tests := []struct {
		name    string
		paths   []string
		changed []string
	}{
		{"one field", []string{"description"}, []string{"description"}},
		{"the labels", []string{"labels"}, []string{"labels"}},
		{"all labels, and one of them", []string{"labels.b", "labels"}, []string{"labels"}},
		{"hosts", []string{"allowed_hosts"}, []string{"allowed_hosts"}},
		{"the value", []string{"value"}, []string{"value", "current_version"}},
		{"a leaf of the value", []string{"value.text"}, []string{"value", "current_version"}},
		{"the identity of the secret is not a change", []string{"name", "etag", "description"}, []string{"description"}},
		{"all fields, some of them twice", []string{"value", "labels", "labels", "description", "allowed_hosts"}, []string{"description", "labels", "allowed_hosts", "value", "current_version"}},
		{"no mask means the fields that are set", nil, []string{"description", "labels", "allowed_hosts", "value", "current_version"}},
		{"the same usage is not a change", []string{"usage", "description"}, []string{"description"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			id := strings.Trim(strings.Map(func(r rune) rune {
				if r < 'a' || r > 'z' {
					return '-'
				}
				return r
			}, tt.name), "-")
			before := k.Owner.Create(t, id, &vaultv1.Secret{
				Description: "old", Labels: map[string]string{"a": "1"},
				Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"},
			})
			secret := proto.CloneOf(full)
			secret.Name = vaulttest.NameOf(id)
			res, err := k.Admin.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: &fieldmaskpb.FieldMask{Paths: tt.paths}})
			if err != nil {
				t.Fatal(err)
			}
			want := proto.CloneOf(before)
			for _, field := range tt.changed {
				switch field {
				case "description":
					want.Description = full.GetDescription()
				case "labels":
					want.Labels = full.GetLabels()
				case "allowed_hosts":
					want.AllowedHosts = full.GetAllowedHosts()
				case "value":
					want.CurrentVersion, want.LatestVersion = 2, 2
				}
			}
			got := res.GetSecret()
			if got.GetEtag() == before.GetEtag() || !got.GetUpdateTime().AsTime().After(before.GetUpdateTime().AsTime()) {
				t.Errorf("etag %s and update time %v did not change", got.GetEtag(), got.GetUpdateTime().AsTime())
			}
			ignore := protocmp.IgnoreFields(&vaultv1.Secret{}, "etag", "update_time", "value_facts")
			if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" {
				t.Errorf("updated secret differs (-want +got):\n%s", diff)
			}
			newest := k.Owner.History(t, id)[0]
			if diff := cmp.Diff(tt.changed, newest.GetChangedFields()); diff != "" {
				t.Errorf("changed fields in the log differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdateRefusesImmutableFields(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Description: "old"})
	for _, path := range []string{"usage.x", "uid", "masked_value", "*", "value.", "labels.", "value.bogus", "valuex", "description.x", "name.x", "", "no such field", "current_version"} {
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
			Secret:     &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "new", Usage: vaultv1.Usage_USAGE_PARAMETER},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description", path}},
		})
		vaulttest.WantField(t, "a mask with "+path, err, "update_mask")
	}
	for _, usage := range []vaultv1.Usage{vaultv1.Usage_USAGE_UNSPECIFIED, vaultv1.Usage_USAGE_PARAMETER} {
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
			Secret:     &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "new", Usage: usage},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description", "usage"}},
		})
		vaulttest.WantField(t, "another usage in the mask", err, "secret.usage")
	}
	another := &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "new", Usage: vaultv1.Usage_USAGE_PARAMETER}
	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: another})
	vaulttest.WantField(t, "another usage without a mask", err, "secret.usage")
	for field, secret := range map[string]*vaultv1.Secret{
		"secret.value":         {},
		"secret.value.text":    {Value: vaulttest.Text("")},
		"secret.allowed_hosts": {AllowedHosts: []string{"a.example"}},
	} {
		secret.Name = vaulttest.NameOf("key")
		mask := &fieldmaskpb.FieldMask{Paths: []string{strings.TrimSuffix(strings.TrimPrefix(field, "secret."), ".text")}}
		_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: mask})
		vaulttest.WantField(t, "an update of "+field, err, field)
	}
	_, err = k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("absent"), Description: "x"}})
	vaulttest.WantError(t, "UpdateSecret of a missing secret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	if got := k.Owner.Get(t, "key"); got.GetDescription() != "old" || got.GetCurrentVersion() != 1 {
		t.Errorf("refused updates changed the secret to %v", got)
	}
	if got := len(k.Owner.History(t, "key")); got != 1 {
		t.Errorf("refused updates left %d entries in the log, want 1", got)
	}
}

func TestUpdateThatChangesNothingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	created := k.Owner.Create(t, "key", &vaultv1.Secret{Description: "same"})
	created.ValueFacts = nil // only set when a value is stored
	again := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "same"})
	if diff := cmp.Diff(created, again, protocmp.Transform()); diff != "" {
		t.Errorf("the secret changed (-before +after):\n%s", diff)
	}
	if got := len(k.Owner.History(t, "key")); got != 1 {
		t.Errorf("the log has %d entries, want 1", got)
	}
}

func TestEtagsKeepChangesApart(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	stale := k.Owner.Create(t, "key", &vaultv1.Secret{}).GetEtag()
	current := k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Etag: stale, Description: "1"}).GetEtag()

	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Etag: stale, Description: "2"}})
	vaulttest.WantError(t, "UpdateSecret with a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
	if got := servertest.Metadata(err)["etag"]; got != current {
		t.Errorf("the error has etag %q, want the current one, %q", got, current)
	}
	_, err = k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("key"), Etag: stale})
	vaulttest.WantError(t, "DeleteSecret with a stale etag", err, codes.Aborted, commonv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)

	k.Resolver.Bind(t, "key", "e", "op")
	k.Resolver.Unbind(t, "key", "op")
	if got := k.Owner.Get(t, "key").GetEtag(); got != current {
		t.Errorf("bindings changed the etag from %q to %q", current, got)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "no etag: last writer wins"})
}
