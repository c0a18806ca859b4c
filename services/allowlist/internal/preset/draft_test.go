package preset_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

func TestReferencesOfAPresetAreNamedAfterItsSecrets(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, p := range l.List() {
		draft, err := l.Parse(&allowlistv1.Encryption{Preset: use(p)}, "acme", now)
		if err != nil {
			t.Fatalf("Parse(%s): %v", p.GetId(), err)
		}
		var want, got []string
		for _, secret := range p.GetSecrets() {
			want = append(want, `encryption.preset.secrets["`+secret.GetName()+`"] of `+place+secret.GetName())
		}
		draft.EachReference(func(field string, ref payload.Reference) { got = append(got, field+" of "+ref.Secret) })
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s: the references (-want +got):\n%s", p.GetId(), diff)
		}
	}
}

func TestNoPresetUsesASecretForTwoUsagesOrConflictingPurposes(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, p := range l.List() {
		usages := make(map[string]payload.Usage)
		for _, ref := range compile(t, l, use(p)).References() {
			if before, known := usages[ref.Secret]; known && before != ref.Usage {
				t.Errorf("%s uses %s as %v and as %v", p.GetId(), ref.Secret, before, ref.Usage)
			}
			usages[ref.Secret] = ref.Usage
			if ref.Usage == payload.KeyUsage && len(ref.Purpose.List()) == 0 {
				t.Errorf("%s has no purpose for %s at %s", p.GetId(), ref.Secret, ref.Field)
			}
			if ref.Purpose.Conflicted() {
				t.Errorf("%s uses %s for %q", p.GetId(), ref.Secret, ref.Purpose.List())
			}
		}
	}
}

func TestKeyViolationsOfAPresetNameItsSecrets(t *testing.T) {
	t.Parallel()
	l := library(t)
	draft, err := l.Parse(&allowlistv1.Encryption{Preset: use(find(t, l, "visa_mle"))}, "acme", now)
	if err != nil {
		t.Fatal(err)
	}
	err = draft.CheckFacts(func(payload.Reference) (payload.Facts, bool) { return payload.Facts{Algorithm: "Ed25519"}, true })
	want := []string{`encryption.preset.secrets["visa_public_key"]`, `encryption.preset.secrets["client_private_key"]`}
	if fields := fieldsOf(t, err); !cmp.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
}

func TestAMistakeInAPresetDoesNotHideItsUnsafeChoices(t *testing.T) {
	t.Parallel()
	l := library(t)
	u := use(find(t, l, "bank_field_level"))
	u.LegacyReason, u.LegacyExpireTime, u.Settings = "", nil, nil
	draft, err := l.Parse(&allowlistv1.Encryption{Preset: u}, "acme", now)
	want := []string{`encryption.preset.settings["fields"]`, "encryption.preset.legacy_reason", "encryption.preset.legacy_reason"}
	if fields := fieldsOf(t, err); !cmp.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	f, _ := fault.From(err)
	if f.Reason != fault.InvalidField || f.Metadata["flags"] != "RSA_PKCS1V15_ENCRYPTION, UNAUTHENTICATED_CBC" {
		t.Errorf("Parse = %v with %v", err, f.Metadata)
	}
	references := 0
	draft.EachReference(func(string, payload.Reference) { references++ })
	if references == 0 {
		t.Error("no facts are known about the secrets")
	}
	// Without the preset, nothing else is known.
	draft, err = l.Parse(&allowlistv1.Encryption{Preset: &allowlistv1.PresetUse{Id: "none"}}, "acme", now)
	draft.EachReference(func(field string, _ payload.Reference) { t.Errorf("a reference at %s", field) })
	if facts := draft.CheckFacts(nil); facts != nil || !fault.Is(err, fault.InvalidField) || fault.Is(err, violation.Legacy) {
		t.Errorf("Parse of an unknown preset = %v, CheckFacts = %v", err, facts)
	}
}
