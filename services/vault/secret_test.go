package vault_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestSecretIsSeenWithoutItsValue(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	want := &vaultv1.Secret{
		Name: nameOf("api-key"), Description: "for the bank", Labels: map[string]string{"env": "prod"},
		Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"api.bank.example", "192.0.2.1"},
		MaskedValue: "••••••••", CurrentVersion: 1, State: vaultv1.VersionState_VERSION_STATE_ENABLED,
	}
	created := k.owner.create(t, "api-key", &vaultv1.Secret{
		Description: want.GetDescription(), Labels: want.GetLabels(), Usage: want.GetUsage(), AllowedHosts: want.GetAllowedHosts(),
		Value: text("the value"),
		// Output-only fields are ignored.
		Name: nameOf("another"), Uid: "mine", CurrentVersion: 7, MaskedValue: "x", ReferenceCount: 9,
		State: vaultv1.VersionState_VERSION_STATE_DESTROYED, CreateTime: timestamppb.Now(),
	})
	own := protocmp.IgnoreFields(&vaultv1.Secret{}, "uid", "etag", "create_time", "update_time", "encrypted_value")
	if diff := cmp.Diff(want, created, protocmp.Transform(), own); diff != "" {
		t.Errorf("created secret differs (-want +got):\n%s", diff)
	}
	if len(created.GetUid()) != 26 || created.GetEtag() == "" || !proto.Equal(created.GetCreateTime(), created.GetUpdateTime()) {
		t.Errorf("uid %q, etag %q, times %v and %v", created.GetUid(), created.GetEtag(), created.GetCreateTime(), created.GetUpdateTime())
	}
	got := k.owner.get(t, "api-key")
	sealed := got.GetEncryptedValue()
	if len(sealed.GetCiphertext()) < 12+32+16 || sealed.GetKeyId() == "" || sealed.GetAlgorithm() != "AES-256-GCM" {
		t.Errorf("encrypted representation: %d bytes, key %q, algorithm %q", len(sealed.GetCiphertext()), sealed.GetKeyId(), sealed.GetAlgorithm())
	}
	got.EncryptedValue = nil
	if diff := cmp.Diff(created, got, protocmp.Transform()); diff != "" {
		t.Errorf("GetSecret differs from what CreateSecret answered (-created +got):\n%s", diff)
	}
	listed, err := k.owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: workspace})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*vaultv1.Secret{created}, listed.GetSecrets(), protocmp.Transform()); diff != "" {
		t.Errorf("ListSecrets differs (-created +listed):\n%s", diff)
	}
}

func TestEncryptedRepresentationShowsNoLength(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	size := func(id, value string) int {
		k.owner.create(t, id, &vaultv1.Secret{Value: text(value)})
		return len(k.owner.get(t, id).GetEncryptedValue().GetCiphertext())
	}
	if short, long := size("short", "x"), size("long", strings.Repeat("x", 28)); short != long {
		t.Errorf("values of 1 and 28 bytes are sealed as %d and %d bytes", short, long)
	}
}

func TestCreateRefusesWhatIsMalformed(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "taken", &vaultv1.Secret{})
	value := text("v")
	credential := func(hosts ...string) *vaultv1.Secret {
		return &vaultv1.Secret{Value: value, Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts}
	}
	tests := []struct {
		name, id string
		secret   *vaultv1.Secret
		field    string
	}{
		{"an id with a slash", "a/b", &vaultv1.Secret{Value: value}, "secret_id"},
		{"the wildcard as an id", "-", &vaultv1.Secret{Value: value}, "secret_id"},
		{"no id", "", &vaultv1.Secret{Value: value}, "secret_id"},
		{"no secret", "a", nil, "secret"},
		{"no value", "a", &vaultv1.Secret{}, "secret.value"},
		{"a value without a source", "a", &vaultv1.Secret{Value: &vaultv1.SecretValue{}}, "secret.value.source"},
		{"an empty text", "a", &vaultv1.Secret{Value: text("")}, "secret.value.text"},
		{"a value that is too long", "a", &vaultv1.Secret{Value: text(strings.Repeat("v", 64<<10+1))}, "secret.value.text"},
		{"no bytes", "a", &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{}}}, "secret.value.data"},
		{"an unnamed kind", "a", &vaultv1.Secret{Value: generate(0)}, "secret.value.generate.kind"},
		{"an unknown kind", "a", &vaultv1.Secret{Value: generate(99)}, "secret.value.generate.kind"},
		{"an unknown usage", "a", &vaultv1.Secret{Value: value, Usage: 99}, "secret.usage"},
		{"a long description", "a", &vaultv1.Secret{Value: value, Description: strings.Repeat("d", 1025)}, "secret.description"},
		{"a credential without hosts", "a", credential(), "secret.allowed_hosts"},
		{"a key with hosts", "a", &vaultv1.Secret{Value: value, AllowedHosts: []string{"a.example"}}, "secret.allowed_hosts"},
		{"a host with a port", "a", credential("a.example", "b.example:443"), "secret.allowed_hosts[1]"},
		{"a host in upper case", "a", credential("A.example"), "secret.allowed_hosts[0]"},
		{"a host twice", "a", credential("a.example", "a.example"), "secret.allowed_hosts[1]"},
	}
	for _, tt := range tests {
		_, err := k.owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: tt.id, Secret: tt.secret})
		wantField(t, tt.name, err, tt.field)
	}
	_, err := k.owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: "taken", Secret: &vaultv1.Secret{Value: value}})
	wantError(t, "CreateSecret with a taken name", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	if got := len(k.owner.history(t, "-")); got != 1 {
		t.Errorf("refused creations left %d entries on the log, want the one of the secret that is there", got)
	}
}

func TestValueOf64KiBIsKept(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	big := bytes.Repeat([]byte{0, 0xff, 0x80}, 64<<10/3+1)[:64<<10]
	value := &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: big}}
	created := k.owner.create(t, "big", &vaultv1.Secret{Value: value})
	k.resolver.bind(t, "big", "e", "op")
	if got := k.resolver.resolve(t, "big", created.GetUid(), 0); got != string(big) {
		t.Errorf("the value comes back as %d other bytes", len(got))
	}
}

func TestGeneratedValueIsNeverShown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	lengths := map[vaultv1.Generate_Kind]int{
		vaultv1.Generate_KIND_AES_128: 16, vaultv1.Generate_KIND_AES_192: 24, vaultv1.Generate_KIND_AES_256: 32,
		vaultv1.Generate_KIND_HMAC_SHA256: 32, vaultv1.Generate_KIND_HMAC_SHA512: 64, vaultv1.Generate_KIND_PASSWORD: 32,
	}
	seen := make(map[string]bool)
	for kind, length := range lengths {
		id := "drawn-" + kind.String()
		created := k.owner.create(t, id, &vaultv1.Secret{Value: generate(kind)})
		k.owner.update(t, &vaultv1.Secret{Name: nameOf(id), Value: generate(kind)})
		k.resolver.bind(t, id, "e", "op")
		for version := range uint32(2) {
			drawn := k.resolver.resolve(t, id, created.GetUid(), version+1)
			if len(drawn) != length || seen[drawn] {
				t.Errorf("%v: a value of %d bytes, drawn before: %v", kind, len(drawn), seen[drawn])
			}
			seen[drawn] = true
			got := k.owner.get(t, id)
			for _, m := range []proto.Message{created, got} {
				wire, err := proto.Marshal(m)
				if err != nil || bytes.Contains(wire, []byte(drawn)) {
					t.Errorf("%v: the value is in a secret shown to a person, %v", kind, err)
				}
			}
		}
	}
}

func TestUpdateChangesWhatTheMaskNames(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	full := &vaultv1.Secret{
		Description: "new", Labels: map[string]string{"b": "2"}, AllowedHosts: []string{"b.example"},
		Value: text("new value"), Uid: "x", MaskedValue: "y",
	}
	tests := []struct {
		name    string
		paths   []string
		changed []string
	}{
		{"one field", []string{"description"}, []string{"description"}},
		{"the labels", []string{"labels"}, []string{"labels"}},
		{"one label, as the JSON front door names it, means all labels", []string{"labels.b"}, []string{"labels"}},
		{"hosts", []string{"allowed_hosts"}, []string{"allowed_hosts"}},
		{"the value", []string{"value"}, []string{"value"}},
		{"a leaf of the value", []string{"value.text"}, []string{"value"}},
		{"what identifies the secret is no change", []string{"name", "etag", "description"}, []string{"description"}},
		{"all of it, some twice", []string{"value", "labels", "labels", "description", "allowed_hosts"}, []string{"description", "labels", "allowed_hosts", "value"}},
		{"no mask means the fields that are set", nil, []string{"description", "labels", "allowed_hosts", "value"}},
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
			before := k.owner.create(t, id, &vaultv1.Secret{
				Description: "old", Labels: map[string]string{"a": "1"},
				Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"},
			})
			secret := proto.CloneOf(full)
			secret.Name = nameOf(id)
			res, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: &fieldmaskpb.FieldMask{Paths: tt.paths}})
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
					want.CurrentVersion = 2
				}
			}
			got := res.GetSecret()
			if got.GetEtag() == before.GetEtag() || !got.GetUpdateTime().AsTime().After(before.GetUpdateTime().AsTime()) {
				t.Errorf("etag %s and update time %v did not change", got.GetEtag(), got.GetUpdateTime().AsTime())
			}
			ignore := protocmp.IgnoreFields(&vaultv1.Secret{}, "etag", "update_time")
			if diff := cmp.Diff(want, got, protocmp.Transform(), ignore); diff != "" {
				t.Errorf("updated secret differs (-want +got):\n%s", diff)
			}
			newest := k.owner.history(t, id)[0]
			if diff := cmp.Diff(tt.changed, newest.GetChangedFields()); diff != "" {
				t.Errorf("changed fields on the log differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdateRefusesWhatCannotChange(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{Description: "old"})
	for _, path := range []string{"usage", "uid", "masked_value", "*", "value.", "valuex", "description.x", "name.x", "", "no such field", "current_version"} {
		_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
			Secret:     &vaultv1.Secret{Name: nameOf("key"), Description: "new", Usage: vaultv1.Usage_USAGE_PARAMETER},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description", path}},
		})
		if path == "value." {
			wantField(t, "a mask with "+path, err, "secret.value") // names the value, which is not there
			continue
		}
		wantField(t, "a mask with "+path, err, "update_mask")
	}
	for field, secret := range map[string]*vaultv1.Secret{
		"secret.value":         {},
		"secret.value.text":    {Value: text("")},
		"secret.allowed_hosts": {AllowedHosts: []string{"a.example"}},
	} {
		secret.Name = nameOf("key")
		mask := &fieldmaskpb.FieldMask{Paths: []string{strings.TrimSuffix(strings.TrimPrefix(field, "secret."), ".text")}}
		_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret, UpdateMask: mask})
		wantField(t, "an update of "+field, err, field)
	}
	_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("absent"), Description: "x"}})
	wantError(t, "UpdateSecret of nothing", err, codes.NotFound, vaultv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	if got := k.owner.get(t, "key"); got.GetDescription() != "old" || got.GetCurrentVersion() != 1 {
		t.Errorf("refused updates changed the secret to %v", got)
	}
	if got := len(k.owner.history(t, "key")); got != 1 {
		t.Errorf("refused updates left %d entries on the log, want 1", got)
	}
}

func TestUpdateThatChangesNothingLeavesNoTrace(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	created := k.owner.create(t, "key", &vaultv1.Secret{Description: "same"})
	again := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "same"})
	if diff := cmp.Diff(created, again, protocmp.Transform()); diff != "" {
		t.Errorf("the secret changed (-before +after):\n%s", diff)
	}
	if got := len(k.owner.history(t, "key")); got != 1 {
		t.Errorf("the log has %d entries, want 1", got)
	}
}

func TestSameValueStoredAgainIsANewVersion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{Value: text("same")})
	for range 4 {
		k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("same")})
	}
	var all []*vaultv1.SecretVersion
	req := &vaultv1.ListSecretVersionsRequest{Parent: nameOf("key"), PageSize: 2}
	for {
		res, err := k.owner.ListSecretVersions(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res.GetVersions()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	var want []*vaultv1.SecretVersion
	for n := uint32(5); n > 0; n-- {
		want = append(want, &vaultv1.SecretVersion{
			Name: nameOf("key") + "/versions/" + string(rune('0'+n)), Version: n, Current: n == 5,
			State: vaultv1.VersionState_VERSION_STATE_ENABLED, KeyId: all[0].GetKeyId(),
		})
	}
	if diff := cmp.Diff(want, all, protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.SecretVersion{}, "create_time")); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	_, err := k.owner.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: nameOf("absent")})
	wantError(t, "ListSecretVersions of nothing", err, codes.NotFound, vaultv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}

func TestEtagsKeepChangesApart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	stale := k.owner.create(t, "key", &vaultv1.Secret{}).GetEtag()
	current := k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Etag: stale, Description: "1"}).GetEtag()

	_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("key"), Etag: stale, Description: "2"}})
	wantError(t, "UpdateSecret with a stale etag", err, codes.Aborted, vaultv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)
	if got := servertest.Metadata(err)["etag"]; got != current {
		t.Errorf("the refusal says etag %q, want the current one, %q", got, current)
	}
	_, err = k.owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: nameOf("key"), Etag: stale})
	wantError(t, "DeleteSecret with a stale etag", err, codes.Aborted, vaultv1.ErrorReason_ERROR_REASON_ETAG_MISMATCH)

	k.resolver.bind(t, "key", "e", "op")
	k.resolver.unbind(t, "key", "op")
	if got := k.owner.get(t, "key").GetEtag(); got != current {
		t.Errorf("bindings changed the etag from %q to %q", current, got)
	}
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "no etag: last writer wins"})
}

func TestHistoryShowsBothLivesOfAName(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	first := k.owner.create(t, "key", &vaultv1.Secret{Description: "first life", Labels: map[string]string{"a": "1"}})
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("v2"), Labels: map[string]string{"a": "2"}})
	k.owner.delete(t, "key")
	_, err := k.owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: nameOf("key")})
	wantError(t, "GetSecret after its deletion", err, codes.NotFound, vaultv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	second := k.admin.create(t, "key", &vaultv1.Secret{})
	if first.GetUid() == second.GetUid() || second.GetCurrentVersion() != 1 {
		t.Errorf("the second life has uid %s (first: %s) and version %d", second.GetUid(), first.GetUid(), second.GetCurrentVersion())
	}

	owner := &vaultv1.Actor{Subject: k.owner.subject, Roles: []string{"owner"}, Authentication: "oidc"}
	admin := &vaultv1.Actor{Subject: k.admin.subject, Roles: []string{"super_admin"}, Authentication: "oidc"}
	want := []*vaultv1.SecretChange{
		{Sequence: 3, Action: vaultv1.SecretChange_ACTION_CREATED, Uid: second.GetUid(), Actor: admin, Version: 1, ChangedFields: []string{"value"}},
		{Sequence: 2, Action: vaultv1.SecretChange_ACTION_DELETED, Uid: first.GetUid(), Actor: owner, OldDescription: "first life", OldLabels: map[string]string{"a": "2"}},
		{
			Sequence: 1, Action: vaultv1.SecretChange_ACTION_UPDATED, Uid: first.GetUid(), Actor: owner, Version: 2, ChangedFields: []string{"labels", "value"},
			OldLabels: map[string]string{"a": "1"}, NewLabels: map[string]string{"a": "2"},
		},
		{
			Sequence: 0, Action: vaultv1.SecretChange_ACTION_CREATED, Uid: first.GetUid(), Actor: owner, Version: 1, ChangedFields: []string{"description", "labels", "value"},
			NewDescription: "first life", NewLabels: map[string]string{"a": "1"},
		},
	}
	got := k.owner.history(t, "key")
	for _, change := range got {
		if change.GetSecret() != nameOf("key") || change.GetRequestId() == "" || change.GetActor().GetAddress() == "" || change.GetTime() == nil {
			t.Errorf("an entry lacks something: %v", change)
		}
	}
	ignore := []cmp.Option{
		protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.SecretChange{}, "time", "request_id", "secret"),
		protocmp.IgnoreFields(&vaultv1.Actor{}, "address"),
	}
	if diff := cmp.Diff(want, got, ignore...); diff != "" {
		t.Errorf("history differs (-want +got):\n%s", diff)
	}
	if got := k.owner.history(t, "never-existed"); len(got) != 0 {
		t.Errorf("a name that never existed has the history %v", got)
	}
}

func TestHistoryOfTheWorkspaceIsPaged(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, id := range []string{"a", "b", "c"} {
		k.owner.create(t, id, &vaultv1.Secret{})
	}
	k.owner.delete(t, "b")
	other := k.as(t, k.env.Owner(t, "other"))
	if _, err := other.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/other", SecretId: "x", Secret: &vaultv1.Secret{Value: text("v")}}); err != nil {
		t.Fatal(err)
	}
	var sequences []uint64
	req := &vaultv1.ListSecretHistoryRequest{Name: workspace + "/secrets/-", PageSize: 1}
	for {
		res, err := k.owner.ListSecretHistory(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, change := range res.GetChanges() {
			sequences = append(sequences, change.GetSequence())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if want := []uint64{3, 2, 1, 0}; !slices.Equal(sequences, want) {
		t.Errorf("sequences of the workspace's history: %v, want %v", sequences, want)
	}
}

func TestReasonIsOnTheLog(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	_, err := k.owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: "key", Reason: "r1", Secret: &vaultv1.Secret{Value: text("v")}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Reason: "r2", Secret: &vaultv1.Secret{Name: nameOf("key"), Description: "d"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = k.owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Reason: "r3", Name: nameOf("key")}); err != nil {
		t.Fatal(err)
	}
	var reasons []string
	for _, change := range k.owner.history(t, "key") {
		reasons = append(reasons, change.GetReason())
	}
	if want := []string{"r3", "r2", "r1"}; !slices.Equal(reasons, want) {
		t.Errorf("reasons %v, want %v", reasons, want)
	}
}

func TestSecretsSurviveARestart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	created := k.owner.create(t, "key", &vaultv1.Secret{Value: text("kept")})
	k.resolver.bind(t, "key", "e", "op")
	before := k.owner.get(t, "key")
	k.running.Stop()
	k.start(t)
	if diff := cmp.Diff(before, k.owner.get(t, "key"), protocmp.Transform()); diff != "" {
		t.Errorf("the secret differs after a restart (-before +after):\n%s", diff)
	}
	if got := k.resolver.resolve(t, "key", created.GetUid(), 1); got != "kept" {
		t.Error("the value differs after a restart")
	}
	res, err := k.owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: workspace, Query: "EY"})
	if err != nil || len(res.GetSecrets()) != 1 {
		t.Errorf("search after a restart finds %v, %v", res.GetSecrets(), err)
	}
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Description: "after"})
	if got := k.owner.history(t, "key"); got[0].GetSequence() != 2 {
		t.Errorf("the log goes on at %d, want 2", got[0].GetSequence())
	}
}
