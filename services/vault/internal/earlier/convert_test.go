package earlier_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/vault/internal/earlier"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// The file testdata/rows.txt has the rows of a store that the last release with the first form
// wrote: the key file in the first line, and then keys and values.

var now = time.Date(2030, 1, 3, 0, 0, 0, 0, time.UTC)

type upgraded struct {
	old, store *boltkv.DB
	keys       *keyring.Keyring
	log        *changelog.Log
}

func newUpgrade(t testing.TB) *upgraded {
	t.Helper()
	folder := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", "rows.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err := os.WriteFile(filepath.Join(folder, "key"), []byte(lines[0]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &upgraded{old: open(t, filepath.Join(folder, "old")), store: open(t, filepath.Join(folder, "new"))}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, " ")
		put(t, u.old, unhex(t, key), unhex(t, value))
		if space, _, _ := kv.CutText(unhex(t, key)); space == "keyring" {
			put(t, u.store, unhex(t, key), unhex(t, value))
		}
	}
	key, err := kek.File(filepath.Join(folder, "key"))
	if err != nil {
		t.Fatal(err)
	}
	if u.keys, err = keyring.Open(t.Context(), u.store, keyring.Local("file:key", key), "vault"); err != nil {
		t.Fatal(err)
	}
	if u.log, err = changelog.New([][32]byte{u.keys.Derive("log")}, "vault", func() time.Time { return now }); err != nil {
		t.Fatal(err)
	}
	u.store.Attach(changelog.Name, u.log)
	return u
}

func open(t testing.TB, path string) *boltkv.DB {
	t.Helper()
	db, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func put(t testing.TB, db kv.Store, key, value []byte) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, value) }); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// run converts the old store into the new one.
func (u *upgraded) run(t testing.TB) error {
	t.Helper()
	return u.old.View(t.Context(), func(r kv.Reader) error {
		next, err := changelog.FirstSize(r)
		if err != nil {
			return err
		}
		err = changelog.CopyFirst(r, func(key, value []byte) error {
			put(t, u.store, key, value)
			return nil
		}, func() {})
		if err != nil {
			return err
		}
		if err := u.check(t, r); err != nil {
			return err
		}
		return earlier.Convert(upgrade.Old{Reader: r, Keys: u.keys}, next, func(c upgrade.Converted) error {
			return u.store.Update(t.Context(), func(tx kv.Tx) error {
				for _, row := range c.Rows {
					if err := tx.Put(row.Key, row.Value); err != nil {
						return err
					}
				}
				for _, listed := range c.Listed {
					if err := u.log.Append(tx, c.Entry, listed...); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}

// check compares the old store with its log, and returns the first difference.
func (u *upgraded) check(t testing.TB, r kv.Reader) (differs error) {
	t.Helper()
	err := u.store.View(t.Context(), func(log kv.Reader) error {
		return earlier.Check(upgrade.Old{Reader: r, Log: log, Keys: u.keys}, func(name string, err error) {
			if err != nil && differs == nil {
				differs = fmt.Errorf("%s: %w", name, err)
			}
		})
	})
	return errors.Join(err, differs)
}

// vault opens the new store. The test fails if the vault finds data that was changed.
func (u *upgraded) vault(t testing.TB) *secret.Store {
	t.Helper()
	alarm := audit.NewAlarm("vault", audit.Stop, slog.New(slog.DiscardHandler))
	auditor := audit.New(audit.Config{Store: u.store, Log: u.log, Resources: secret.Rows{}, Alarm: alarm, Share: 1})
	if err := auditor.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := secret.NewStore(t.Context(), secret.Config{
		KV: alarm.Watch(u.store), Keys: u.keys, Log: u.log, Ledger: replay.NewLedger([32]byte{}, time.Now), Now: func() time.Time { return now },
		Alarm: alarm,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		select {
		case <-alarm.Stopped():
			t.Error("the vault finds data that was changed")
		default:
		}
	})
	return s
}

func name(id string) secret.Name { return secret.Name{Workspace: "acme", ID: id} }

func TestAStoreOfTheFirstFormIsUpgraded(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	if err := u.run(t); err != nil {
		t.Fatal(err)
	}
	if err := u.store.View(t.Context(), u.log.Verify); err != nil {
		t.Errorf("the log after the upgrade = %v", err)
	}
	s := u.vault(t)

	key, stored, err := s.Get(t.Context(), name("key"))
	if err != nil || key.References != 2 || stored.PurposeState != secret.Sealed || key.Description != "a key" || key.Labels["a"] != "1" {
		t.Fatalf("the secret is %+v, %v", key, err)
	}
	purpose := secret.NewPurpose([]string{"raw > HMAC-SHA256(of=message)"}, 0, false)
	for number, want := range map[uint32]string{0: "the fifth value", 1: "the first value", 2: "", 3: "", 4: "the first value", 5: "the fifth value"} {
		w := secret.Wanted{Name: key.Name, UID: key.UID, Number: number, Purpose: purpose.Digest(), Seal: true}
		got, err := s.Resolve(t.Context(), secret.Call{}, "allowlist", w)
		if string(got.Plain.Reveal()) != want || (err == nil) != (want != "") {
			t.Errorf("Resolve(%d) = %q, %v, want %q", number, got.Plain.Reveal(), err, want)
		}
	}
	versions, _, err := s.Versions(t.Context(), key.Name, secret.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(versions)
	for i, want := range []struct {
		state secret.State
		used  uint64
	}{{secret.Enabled, 100}, {secret.Disabled, 0}, {secret.Destroyed, 0}, {secret.Enabled, 100}, {secret.Enabled, 0}} {
		if versions[i].State != want.state || versions[i].Nonces.Used != want.used {
			t.Errorf("version %d is %s with %d nonces, want %+v", i+1, versions[i].State, versions[i].Nonces.Used, want)
		}
	}
	if versions[0].Uses.Used != 7 || versions[0].Uses.Opened != 2 {
		t.Errorf("version 1 has the uses %+v", versions[0].Uses)
	}
	for _, operation := range []string{"op1", "op2", "op3"} {
		if err := s.Unbind(t.Context(), secret.Call{}, key.Name, "allowlist", operation); err != nil {
			t.Errorf("Unbind(%s) = %v", operation, err)
		}
	}
	token, _, err := s.Get(t.Context(), name("token"))
	if err != nil || !slices.Equal(token.AllowedHosts, []string{"a.example", "a.example:8443"}) {
		t.Errorf("the token is %+v, %v", token, err)
	}
	for _, id := range []string{"key", "pair", "token", "salt", "gone"} {
		description := "changed"
		if _, err := s.Update(t.Context(), secret.Call{}, name(id), secret.Change{Description: &description}); err != nil {
			t.Errorf("Update(%s) = %v", id, err)
		}
	}
	if setting, err := s.Sealing(t.Context(), "acme"); err != nil || !setting.Required || setting.Etag != "1" {
		t.Errorf("the setting is %+v, %v", setting, err)
	}
	events, _, err := s.History(t.Context(), key.Name, secret.Page{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Action != secret.Created || last.Detail.NewDescription != "a key" || last.Detail.NewLabels["a"] != "1" {
		t.Errorf("the first entry is %+v", last)
	}
	if !slices.ContainsFunc(events, func(e secret.Event) bool { return e.Action == secret.Upgraded && len(e.Rows()) > 10 }) {
		t.Error("the log has no entry about the upgrade with its rows")
	}
}

// rowsOf returns the keys of the old store that begin with a space and contain a string.
func (u *upgraded) rowsOf(t testing.TB, space string) (pairs []kv.Pair) {
	t.Helper()
	err := u.old.View(t.Context(), func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Prefix(kv.NewKey(space), 100)) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		return nil
	})
	if err != nil || len(pairs) == 0 {
		t.Fatalf("%d rows of %s, %v", len(pairs), space, err)
	}
	return pairs
}

func TestARecordThatTheLogContradictsStopsTheUpgrade(t *testing.T) {
	t.Parallel()
	for what, forge := range map[string]func(t testing.TB, u *upgraded){
		"another usage": func(t testing.TB, u *upgraded) {
			key := kv.NewKey("secret").Text("acme").Text("key")
			for _, pair := range u.rowsOf(t, "secret") {
				if bytes.Equal(pair.Key, key) {
					put(t, u.old, key, bytes.Replace(pair.Value, []byte(`"usage":"KEY"`), []byte(`"usage":"CREDENTIAL"`), 1))
				}
			}
		},
		"another host of a binding": func(t testing.TB, u *upgraded) {
			for _, pair := range u.rowsOf(t, "binding") {
				put(t, u.old, pair.Key, bytes.Replace(pair.Value, []byte(`"host":"a.example"`), []byte(`"host":"e.example"`), 1))
			}
		},
		"another setting": func(t testing.TB, u *upgraded) {
			for _, pair := range u.rowsOf(t, "sealing") {
				put(t, u.old, pair.Key, bytes.Replace(pair.Value, []byte("true"), []byte("false"), 1))
			}
		},
	} {
		u := newUpgrade(t)
		forge(t, u)
		err := u.run(t)
		if !errors.Is(err, earlier.ErrDiffers) || !strings.Contains(err.Error(), "workspaces/acme/") {
			t.Errorf("%s: the upgrade = %v, want %v with the name", what, err, earlier.ErrDiffers)
		}
	}
}

// edit changes the JSON of the old rows of a space. It does not touch what the log states.
func (u *upgraded) edit(t testing.TB, space string, change func(record map[string]any)) {
	t.Helper()
	for _, pair := range u.rowsOf(t, space) {
		var record map[string]any
		if err := json.Unmarshal(pair.Value[1:], &record); err != nil {
			t.Fatal(err)
		}
		change(record)
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		put(t, u.old, pair.Key, append([]byte{pair.Value[0]}, text...))
	}
}

// Versions of much earlier releases had neither ledgers nor fingerprints, public parts, or hosts.
func TestWhatVersionsLackedIsSettled(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	u.edit(t, "version", func(record map[string]any) {
		for _, field := range []string{"nonces", "same_as", "prints", "public", "facts", "allowed_hosts", "ports"} {
			delete(record, field)
		}
	})
	if err := u.run(t); err != nil {
		t.Fatal(err)
	}
	s := u.vault(t)
	versions, _, err := s.Versions(t.Context(), name("key"), secret.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(versions)
	if versions[0].Nonces.Used != 7 || versions[3].SameAs != 1 || versions[3].Nonces.Used != 7 {
		t.Errorf("the ledgers are %+v and, of the same value, %+v (%d)", versions[0].Nonces, versions[3].Nonces, versions[3].SameAs)
	}
	if _, stored, err := s.Get(t.Context(), name("pair")); err != nil || len(stored.Public) == 0 {
		t.Errorf("the key pair has a public part of %d bytes, %v", len(stored.Public), err)
	}
	// The hosts that the secret had when they were changed for the first time.
	versions, _, err = s.Versions(t.Context(), name("token"), secret.Page{Limit: 1})
	if err != nil || !slices.Equal(versions[0].AllowedHosts, []string{"a.example", "a.example:8443", "b.example"}) {
		t.Errorf("the token may be sent to %v, %v", versions, err)
	}
}

// The previous form of fingerprints named no version. A second kind did, by another digest of the
// value, which no one can compute once the value is destroyed.
func TestALedgerOfADestroyedVersionIsFoundByItsValue(t *testing.T) {
	t.Parallel()
	u := newUpgrade(t)
	for _, pair := range u.rowsOf(t, "equal") {
		put(t, u.old, pair.Key, []byte("key"))
	}
	var uid string
	for _, pair := range u.rowsOf(t, "version") {
		if !bytes.Contains(pair.Value, []byte(`"state":"DESTROYED"`)) {
			continue
		}
		var err error
		if uid, _, err = kv.CutText(pair.Key[len(kv.NewKey("version")):]); err != nil {
			t.Fatal(err)
		}
		put(t, u.old, pair.Key, bytes.Replace(pair.Value, []byte(`"nonces":{"used":0}`), []byte(`"nonces":{"used":65000,"bits":64}`), 1))
	}
	put(t, u.old, append(kv.NewKey("print").Text(uid), "a digest of the value"...), []byte("\x013"))
	if err := u.run(t); err != nil {
		t.Fatal(err)
	}
	s := u.vault(t)
	call := secret.Call{Author: changelog.Author{Reason: "a test"}}
	if _, err := s.SetSealing(t.Context(), call, "acme", secret.SealingChange{Admin: true}); err != nil {
		t.Fatal(err)
	}
	again, err := secret.NewValue([]byte("the third value"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.Update(t.Context(), call, name("key"), secret.Change{Value: again.Acknowledged("a test")})
	if err != nil {
		t.Fatal(err)
	}
	want := secret.Reservation{UID: key.UID, Version: key.Last, Bits: 64, Count: 100}
	if got, err := s.ReserveNonces(t.Context(), key.Name, "allowlist", want); err != nil || got.Used != 65_100 {
		t.Errorf("the value stored again has %+v, %v, want the ledger of the destroyed version", got, err)
	}
}
