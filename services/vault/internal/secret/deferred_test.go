package secret_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// tracked counts the ledgers and the fingerprints of a secret.
func (f *fixture) tracked(t testing.TB, sec secret.Secret) (ledgers, prints int) {
	t.Helper()
	err := f.kv.View(t.Context(), func(r kv.Reader) error {
		ledgers, prints = 0, 0
		first := secret.NoncesKey(sec.Name, sec.UID, 0)
		for _, err := range r.Scan(kv.Prefix(first[:len(first)-4], 100)) {
			if err != nil {
				return err
			}
			ledgers++
		}
		for pair, err := range r.Scan(kv.Prefix(secret.EqualsKey(sec.Name.Workspace), 1000)) {
			if err != nil {
				return err
			}
			if uid, err := secret.LastUID(pair.Key); err == nil && uid == sec.UID {
				prints++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ledgers, prints
}

func (f *fixture) wantTracked(t testing.TB, when string, sec secret.Secret, ledgers, prints int) {
	t.Helper()
	if gotLedgers, gotPrints := f.tracked(t, sec); gotLedgers != ledgers || gotPrints != prints {
		t.Errorf("%s: %d ledgers and %d fingerprints, want %d and %d", when, gotLedgers, gotPrints, ledgers, prints)
	}
}

// bindFor binds a secret for a chain.
func (f *fixture) bindFor(t testing.TB, id, operation, chain string) error {
	t.Helper()
	_, _, err := f.Bind(t.Context(), secret.Call{}, name(id), "allowlist", useFor(id, operation, chain))
	return err
}

// use resolves a secret for a message, which seals its purpose.
func (f *fixture) use(t testing.TB, sec secret.Secret, number uint32, chain string) error {
	t.Helper()
	_, err := f.Resolve(t.Context(), secret.Call{}, "allowlist", secret.Wanted{
		Name: sec.Name, UID: sec.UID, Number: number, Purpose: secret.NewPurpose([]string{chain}, 0, false).Digest(), Seal: true,
	})
	return err
}

// sealed creates a secret whose purpose is sealed for a chain.
func (f *fixture) sealedFor(t testing.TB, id, text, chain string) secret.Secret {
	t.Helper()
	sec := f.create(t, id, text)
	if err := f.bindFor(t, id, "op", chain); err != nil {
		t.Fatal(err)
	}
	if err := f.use(t, sec, 0, chain); err != nil {
		t.Fatal(err)
	}
	return sec
}

func TestTheFirstBindingWritesLedgersAndFingerprints(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.create(t, "key", "one value!")
	for _, text := range []string{"another value!", "one value!"} {
		f.add(t, sec, value(t, text))
	}
	f.wantTracked(t, "before a binding", sec, 0, 0)
	versions, _, err := f.Versions(t.Context(), sec.Name, secret.Page{Limit: 10})
	if err != nil || len(versions) != 3 || versions[0].Nonces == nil || versions[0].Nonces.Reserved() {
		t.Errorf("Versions before a binding = %+v, %v, want empty ledgers", versions, err)
	}
	refused := useFor("bank", "op", gcm)
	refused.Version = 4
	if _, _, err := f.Bind(t.Context(), secret.Call{}, sec.Name, "allowlist", refused); !fault.Is(err, secret.VersionNotFound) {
		t.Fatalf("Bind of a missing version = %v", err)
	}
	rehearsed := useFor("bank", "op", gcm)
	rehearsed.Rehearse = true
	if _, _, err := f.Bind(t.Context(), secret.Call{}, sec.Name, "allowlist", rehearsed); err != nil {
		t.Fatal(err)
	}
	f.wantTracked(t, "after a refused and a rehearsed binding", sec, 0, 0)
	if err := f.bindFor(t, "key", "op", gcm); err != nil {
		t.Fatal(err)
	}
	f.wantTracked(t, "after the first binding", sec, 2, 2)
	f.wantStated(t, "after the first binding", sec)
	f.add(t, sec, value(t, "a third value!"))
	f.wantTracked(t, "after a rotation", sec, 3, 3)
	f.unbind(t, "key", "op")
	f.add(t, sec, value(t, "a fourth value!"))
	f.wantTracked(t, "after a rotation without a binding", sec, 4, 4)
	if err := f.bindFor(t, "key", "op2", gcm); err != nil {
		t.Fatal(err)
	}
	f.wantTracked(t, "after another binding", sec, 4, 4)
}

// A value has one budget, whenever it is stored again.
func TestAValueStoredAgainBeforeTheFirstBindingHasOneBudget(t *testing.T) {
	t.Parallel()
	// Each returns two versions with the value.
	for name, again := range map[string]func(t testing.TB, f *fixture, sec secret.Secret) []uint32{
		"before the binding": func(t testing.TB, f *fixture, sec secret.Secret) []uint32 {
			f.add(t, sec, value(t, "one value!"))
			f.bind(t, "key", "bank", "op")
			return []uint32{1, 2}
		},
		"before and after the binding": func(t testing.TB, f *fixture, sec secret.Secret) []uint32 {
			f.add(t, sec, value(t, "another value!"))
			f.bind(t, "key", "bank", "op")
			f.add(t, sec, value(t, "one value!"))
			return []uint32{3, 1}
		},
		"after the first version was destroyed": func(t testing.TB, f *fixture, sec secret.Secret) []uint32 {
			f.add(t, sec, value(t, "one value!"))
			if _, err := f.Destroy(t.Context(), secret.Call{}, sec.Name.Version(1), secret.Deletion{}); err != nil {
				t.Fatal(err)
			}
			f.bind(t, "key", "bank", "op")
			f.add(t, sec, value(t, "one value!"))
			return []uint32{2, 3}
		},
		"after the version with it was destroyed": func(t testing.TB, f *fixture, sec secret.Secret) []uint32 {
			f.add(t, sec, value(t, "one value!"))
			if _, err := f.Destroy(t.Context(), secret.Call{}, sec.Name.Version(2), secret.Deletion{}); err != nil {
				t.Fatal(err)
			}
			f.bind(t, "key", "bank", "op")
			f.add(t, sec, value(t, "one value!"))
			return []uint32{1, 3}
		},
		"after a binding that ended": func(t testing.TB, f *fixture, sec secret.Secret) []uint32 {
			f.bind(t, "key", "bank", "op")
			if _, err := f.reserveOf(t, sec, 1, 60_000); err != nil {
				t.Fatal(err)
			}
			f.unbind(t, "key", "op")
			f.add(t, sec, value(t, "one value!"))
			f.bind(t, "key", "bank", "op2")
			return []uint32{2, 1}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			sec := f.create(t, "key", "one value!")
			same := again(t, f, sec)
			if got, err := f.reserveOf(t, sec, same[0], 100_000); err != nil || got.Used != 1<<16 {
				t.Errorf("a reservation of version %d = %+v, %v, want the whole budget", same[0], got, err)
			}
			if _, err := f.reserveOf(t, sec, same[1], 1); !fault.Is(err, secret.NonceBudgetExhausted) {
				t.Errorf("a reservation of version %d = %v, want %s", same[1], err, secret.NonceBudgetExhausted)
			}
			f.wantStated(t, "in the end", sec)
		})
	}
}

// A value under another name serves the purpose of the secret that was used first, whenever the
// other was created or bound.
func TestTheSameValueUnderAnotherNameServesOnePurpose(t *testing.T) {
	t.Parallel()
	const text = "one value under two names"
	for name, other := range map[string]func(t testing.TB, f *fixture) error{
		"created before": func(t testing.TB, f *fixture) error {
			f.create(t, "other", text)
			f.sealedFor(t, "key", text, gcm)
			return f.bindFor(t, "other", "op", cbc)
		},
		"created after": func(t testing.TB, f *fixture) error {
			f.sealedFor(t, "key", text, gcm)
			f.create(t, "other", text)
			return f.bindFor(t, "other", "op", cbc)
		},
		"bound before": func(t testing.TB, f *fixture) error {
			other := f.create(t, "other", text)
			if err := f.bindFor(t, "other", "op", cbc); err != nil {
				t.Fatal(err)
			}
			f.sealedFor(t, "key", text, gcm)
			return f.use(t, other, 0, cbc)
		},
		"unbound since": func(t testing.TB, f *fixture) error {
			f.sealedFor(t, "key", text, gcm)
			f.unbind(t, "key", "op")
			f.create(t, "other", text)
			return f.bindFor(t, "other", "op", cbc)
		},
		"as a later version of the sealed one": func(t testing.TB, f *fixture) error {
			sec := f.sealedFor(t, "key", "the first value", gcm)
			f.add(t, sec, value(t, text))
			f.create(t, "other", text)
			return f.bindFor(t, "other", "op", cbc)
		},
		"as a version from before the binding": func(t testing.TB, f *fixture) error {
			sec := f.create(t, "key", text)
			f.add(t, sec, value(t, "the value in use"))
			if err := errors.Join(f.bindFor(t, "key", "op", gcm), f.use(t, sec, 0, gcm)); err != nil {
				t.Fatal(err)
			}
			f.create(t, "other", text)
			return f.bindFor(t, "other", "op", cbc)
		},
		"as a version that the other one no longer uses": func(t testing.TB, f *fixture) error {
			f.sealedFor(t, "key", text, gcm)
			other := f.create(t, "other", text)
			f.add(t, other, value(t, "the value in use"))
			return f.bindFor(t, "other", "op", cbc)
		},
		"as a disabled version of the other one, and bound before": func(t testing.TB, f *fixture) error {
			other := f.create(t, "other", text)
			f.add(t, other, value(t, "the value in use"))
			if _, err := f.Disable(t.Context(), secret.Call{}, other.Name.Version(1), ""); err != nil {
				t.Fatal(err)
			}
			if err := f.bindFor(t, "other", "op", cbc); err != nil {
				t.Fatal(err)
			}
			f.sealedFor(t, "key", text, gcm)
			return f.use(t, other, 0, cbc)
		},
		"as a version that was destroyed before the binding": func(t testing.TB, f *fixture) error {
			sec := f.create(t, "key", text)
			f.add(t, sec, value(t, "the value in use"))
			if _, err := f.Destroy(t.Context(), secret.Call{}, sec.Name.Version(1), secret.Deletion{}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(f.bindFor(t, "key", "op", gcm), f.use(t, sec, 0, gcm)); err != nil {
				t.Fatal(err)
			}
			f.create(t, "other", text)
			return f.bindFor(t, "other", "op", cbc)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if err := other(t, f); !fault.Is(err, secret.KeyPurposeFixed) {
				t.Errorf("another purpose = %v, want %s", err, secret.KeyPurposeFixed)
			}
		})
	}
}

// A destroyed version is never used again.
func TestADestroyedVersionWithTheValueOfAnotherPurposeIsNoObstacle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.sealedFor(t, "key", "one value", gcm)
	other := f.create(t, "other", "one value")
	f.add(t, other, value(t, "the value in use"))
	refused, ok := fault.From(f.bindFor(t, "other", "op", cbc))
	if !ok || refused.Metadata["version"] != "1" {
		t.Fatalf("binding = %v, want a refusal that names version 1", refused)
	}
	if _, err := f.Destroy(t.Context(), secret.Call{}, other.Name.Version(1), secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.bindFor(t, "other", "op", cbc), f.use(t, other, 0, cbc)); err != nil {
		t.Errorf("after the version was destroyed: %v", err)
	}
}

func TestARotationToTheValueOfAnotherPurposeIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mine := f.sealedFor(t, "mine", "my value!", gcm)
	f.sealedFor(t, "yours", "your value", cbc)
	rotate := func(text string) error {
		_, err := f.Update(t.Context(), secret.Call{}, mine.Name, secret.Change{Value: value(t, text)})
		return err
	}
	if err := rotate("your value"); !fault.Is(err, secret.ValueInUse) {
		t.Errorf("a rotation to the value of another purpose = %v, want %s", err, secret.ValueInUse)
	}
	for _, text := range []string{"a later value!", "my value!"} {
		if err := rotate(text); err != nil {
			t.Fatal(err)
		}
	}
	f.wantTracked(t, "after a rotation back", mine, 2, 2)
}

func TestADeletedSecretFreesItsValue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 3 {
		f.sealedFor(t, "key", "one value!", gcm)
		if err := f.Delete(t.Context(), secret.Call{}, name("key"), secret.Deletion{Force: true}); err != nil {
			t.Fatal(err)
		}
	}
	sec := f.create(t, "key", "one value!")
	f.wantTracked(t, "created again", sec, 0, 0)
	if err := f.bindFor(t, "key", "op", cbc); err != nil {
		t.Errorf("another purpose after the deletion = %v", err)
	}
	f.wantTracked(t, "bound again", sec, 1, 1)
	prints := 0
	err := f.kv.View(t.Context(), func(r kv.Reader) error {
		prints = len(printRows(t, r, sec))
		return nil
	})
	if err != nil || prints != 1 {
		t.Errorf("%d fingerprints, %v, want those of deleted secrets to be removed", prints, err)
	}
}

// However often an unbound KEY is rotated, its rows fit in the transaction that writes them.
func TestDeferredRowsFitInOneTransaction(t *testing.T) {
	t.Parallel()
	spelled := func(i int) string { // has many fingerprints
		return fmt.Sprintf("%032x", 1<<60+i)
	}
	large := func(i int) string { return strings.Repeat("a large value ", 4_600) + fmt.Sprint(i%2) }
	for name, text := range map[string]func(i int) string{
		"different values": func(i int) string { return fmt.Sprintf("value %d!", i) },
		"one value!":       func(int) string { return "one value!" },
		"hexadecimal keys": spelled,
		"large values":     large,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for versions := 1; versions <= 30; versions += 3 {
				f := newFixture(t)
				sec := f.create(t, "key", text(1))
				for i := 2; i <= versions; i++ {
					f.add(t, sec, value(t, text(i)))
				}
				// Fingerprints of deleted secrets are removed at the same time.
				for i := range 4 {
					id := fmt.Sprintf("deleted-%d", i)
					f.create(t, id, text(i+1))
					f.bind(t, id, "bank", "op")
					if err := f.Delete(t.Context(), secret.Call{}, secret.Name{Workspace: "acme", ID: id}, secret.Deletion{Force: true}); err != nil {
						t.Fatal(err)
					}
				}
				if _, _, err := f.Bind(t.Context(), secret.Call{}, sec.Name, "allowlist", secret.BindRequest{
					Usage: secret.Key, Purpose: purpose(), Referrer: "workspaces/acme/endpoints/bank", Operation: "op", Version: 1,
				}); err != nil {
					t.Fatalf("Bind with %d versions = %v", versions, err)
				}
				f.wantStated(t, "bound", sec)
				for number := range uint32(versions) {
					if _, err := f.reserveOf(t, sec, number+1, 1); err != nil {
						t.Errorf("a reservation of version %d of %d = %v", number+1, versions, err)
					}
				}
			}
		})
	}
}

// The file of a bound secret cannot lose its ledgers, neither by their removal nor by a row from
// before the binding.
func TestLedgersThatWereDeferredCannotBeRemoved(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	made := s.create(t, "key", "one value!")
	s.rotateTo(t, "one value!")
	unbound := s.rowOf(t, secret.SecretKey(made.Name))
	s.bind(t, "key", "bank", "op")
	if _, err := s.reserveOf(t, made, 2, 100); err != nil {
		t.Fatal(err)
	}
	bound := s.rowOf(t, secret.SecretKey(made.Name))
	ledger := s.rowOf(t, secret.NoncesKey(made.Name, made.UID, 1))
	s.edit(t, map[string][]byte{string(secret.NoncesKey(made.Name, made.UID, 1)): nil})
	for _, version := range []uint32{1, 2} {
		if _, err := s.reserveOf(t, made, version, 1); !errors.Is(err, audit.ErrMismatch) {
			t.Errorf("a reservation of version %d without the ledger = %v", version, err)
		}
	}
	if _, _, err := s.Versions(t.Context(), made.Name, secret.Page{Limit: 10}); !errors.Is(err, audit.ErrMismatch) {
		t.Errorf("Versions without the ledger = %v", err)
	}
	s.edit(t, unbound)
	if _, _, err := s.Versions(t.Context(), made.Name, secret.Page{Limit: 10}); !errors.Is(err, audit.ErrMismatch) {
		t.Errorf("Versions with the secret from before the binding = %v", err)
	}
	_, _, err := s.Bind(t.Context(), secret.Call{}, made.Name, "allowlist", useFor("another", "op2", gcm))
	if !errors.Is(err, audit.ErrMismatch) {
		t.Errorf("Bind with the secret from before the binding = %v", err)
	}
	for key, row := range ledger {
		bound[key] = row
	}
	s.edit(t, bound)
	if got, err := s.reserveOf(t, made, 1, 1); err != nil || got.Used != 101 {
		t.Errorf("a reservation after all is as before = %+v, %v", got, err)
	}
}

func TestPublicKeysAreTrackedWithoutFingerprints(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	sec := f.create(t, "key", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	f.bind(t, "key", "bank", "op")
	f.wantTracked(t, "bound", sec, 1, 0)
}
