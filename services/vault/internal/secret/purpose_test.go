package secret_test

import (
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// age removes from a secret and its bindings the fields that releases without purposes did not
// write. Earlier, if not empty, is what they recorded instead.
func (f *fixture) age(t *testing.T, sec secret.Secret, earlier secret.EarlierUse) {
	t.Helper()
	f.convert(t, sec.Name.ID, secret.Conversion{
		Secret:  func(s *secret.Secret) { s.Purpose, s.EarlierUse = nil, earlier },
		Binding: func(b *secret.Binding) { b.Purpose = secret.Purpose{} },
	})
}

// useFor returns a request of an endpoint to use the key.
func useFor(referrer, operation string, chains ...string) secret.BindRequest {
	return secret.BindRequest{
		Usage: secret.Key, Referrer: "workspaces/acme/endpoints/" + referrer, Operation: operation, Host: "a.example",
		Purpose: secret.NewPurpose(chains, 0, false),
	}
}

const (
	gcm    = "raw > AES-256-GCM(iv=random/12,tag=16)"
	cbc    = "raw > AES-256-CBC(padding=none,iv=zero/16)"
	digest = "raw > SECRET-DIGEST-SHA256(*S)"
)

func TestAKeyBoundBeforeThereWerePurposesTakesNoOneElse(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	bind := func(req secret.BindRequest) error {
		_, _, err := f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", req)
		return err
	}
	state := func() secret.PurposeState {
		_, stored, err := f.Get(t.Context(), name("key"))
		if err != nil {
			t.Fatal(err)
		}
		return stored.PurposeState
	}
	resolve := func(uid string, chains ...string) error {
		_, err := f.Resolve(t.Context(), secret.Call{}, "allowlist", secret.Wanted{
			Name: name("key"), UID: uid, Purpose: secret.NewPurpose(chains, 0, false).Digest(), Seal: true,
		})
		return err
	}
	for _, tt := range []struct {
		name  string
		first string // the second endpoint turns out to use cbc
		state secret.PurposeState
	}{
		{"for one purpose", cbc, secret.Sealed},
		{"for several", gcm, secret.Mixed},
	} {
		made := f.create(t, "key", "an earlier key, long enough")
		for _, endpoint := range []string{"first", "second"} {
			if err := bind(useFor(endpoint, endpoint, gcm)); err != nil {
				t.Fatal(err)
			}
		}
		f.age(t, made, "")
		if got := state(); got != secret.PurposeUnknown {
			t.Errorf("%s: the state is %s", tt.name, got)
		}
		if err := resolve(made.UID, gcm); err != nil {
			t.Errorf("%s: existing bindings continue until the report = %v", tt.name, err)
		}
		if err := bind(useFor("third", "op3", gcm)); !fault.Is(err, secret.KeyPurposeUnknown) {
			t.Errorf("%s: a new referrer before the report = %v", tt.name, err)
		}
		for endpoint, chain := range map[string]string{"first": tt.first, "second": cbc} {
			if err := bind(useFor(endpoint, endpoint, chain)); err != nil {
				t.Errorf("%s: the report of %s = %v", tt.name, endpoint, err)
			}
		}
		for _, chain := range []string{tt.first, cbc} {
			if err := resolve(made.UID, chain); err != nil {
				t.Errorf("%s: a use that was reported = %v", tt.name, err)
			}
		}
		if got := state(); got != tt.state {
			t.Errorf("%s: the state is %s, want %s", tt.name, got, tt.state)
		}
		if err := resolve(made.UID, digest); !fault.Is(err, secret.KeyPurposeFixed) {
			t.Errorf("%s: a use that was not reported = %v", tt.name, err)
		}
		for _, req := range []secret.BindRequest{useFor("third", "op3", gcm), useFor("second", "op4", digest)} {
			if err := bind(req); !fault.Is(err, secret.KeyPurposeFixed) && !fault.Is(err, secret.KeyPurposeUnknown) {
				t.Errorf("%s: %s for %v = %v", tt.name, req.Referrer, req.Purpose.Chains, err)
			}
		}
		for _, operation := range []string{"first", "second"} {
			f.unbind(t, "key", operation)
		}
		if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{}); err != nil {
			t.Fatal(err)
		}
	}
}

// Sent digests cannot be recalled, so a purpose that was fixed before purposes were stored remains
// fixed.
func TestWhatWasFixedBeforeStaysFixed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for fixed, chains := range map[secret.EarlierUse][2]string{secret.Digested: {digest, gcm}, secret.Undigested: {gcm, digest}} {
		id := string(fixed)
		made := f.create(t, id, "an earlier key, long enough: "+id)
		f.age(t, made, fixed)
		bind := func(chain string) error {
			_, _, err := f.Bind(t.Context(), secret.Call{}, name(id), "allowlist", useFor("e", "op", chain))
			return err
		}
		if err := bind(chains[1]); !fault.Is(err, secret.KeyPurposeFixed) {
			t.Errorf("%s for %s = %v", fixed, chains[1], err)
		}
		if err := bind(chains[0]); err != nil {
			t.Errorf("%s for %s = %v", fixed, chains[0], err)
		}
	}
}
