package inventory_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/inventory"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// A state is a change log, and the root at each of its sizes.
type state struct {
	head   inventory.Head
	hashes []tlog.Hash
	roots  []tlog.Hash
}

func newState(t testing.TB, entries int) (s state) {
	t.Helper()
	changes, err := changelog.New([][32]byte{{1}}, "vault", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.Attach(changelog.Name, changes)
	for n := 0; n < entries; n += 20 {
		err := store.Update(t.Context(), func(tx kv.Tx) (err error) {
			for n := range min(20, entries-n) {
				err = errors.Join(err, changes.Append(tx, changelog.Entry{Action: "written", Scope: "workspaces/acme", Resource: fmt.Sprint("row ", n)}))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	err = store.View(t.Context(), func(r kv.Reader) error {
		head, err := changes.Checkpoint(r)
		s.head = inventory.Head{Key: head.Key, Checkpoint: head.Checkpoint}
		var replica changelog.Replica
		for hash, err := range changelog.Hashes(r) {
			if err != nil {
				return err
			}
			s.roots, s.hashes = append(s.roots, replica.Root()), append(s.hashes, hash)
			if err := replica.Add(hash); err != nil {
				return err
			}
		}
		s.roots = append(s.roots, replica.Root())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	other   = inventory.Witnessed{Name: "spiffe://example/allowlist", Key: "a key", Checkpoint: "a head\n"}
	version = inventory.Version{Number: 1, UID: "v1", State: inventory.Disabled}
	binding = inventory.Binding{Holder: other.Name, Operation: "op", Referrer: "workspaces/acme/endpoints/<a&b>"}
)

// write writes the inventory of a state with two secrets.
func (s state) write(t testing.TB) string {
	t.Helper()
	var to bytes.Buffer
	w := inventory.NewWriter(&to, s.head)
	w.Witnessed(other)
	w.Secret(inventory.Secret{Name: "workspaces/acme/secrets/one", UID: "u1", Current: 2})
	w.Version(version)
	w.Version(inventory.Version{Number: 2, State: inventory.Destroyed})
	w.Binding(binding)
	w.Secret(inventory.Secret{Name: "workspaces/acme/secrets/two", UID: "u2"})
	w.Log(func(yield func(tlog.Hash, error) bool) {
		for _, hash := range s.hashes {
			if !yield(hash, nil) {
				return
			}
		}
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return to.String()
}

func TestInventoryIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, entries := range []int{0, 1, 1000, 2100} {
		s := newState(t, entries)
		half := uint64(entries / 2)
		found, err := inventory.Read(strings.NewReader(s.write(t)), half, uint64(entries), 5000)
		if err != nil {
			t.Fatalf("Read of an inventory with %d entries = %v", entries, err)
		}
		want := &inventory.Inventory{
			Head: s.head, Size: uint64(entries), Witnessed: map[string]inventory.Witnessed{other.Name: other},
			Secrets: map[string]*inventory.Secret{
				"workspaces/acme/secrets/one": {
					Name: "workspaces/acme/secrets/one", UID: "u1", Current: 2,
					Versions: map[uint32]inventory.Version{1: version, 2: {Number: 2, State: inventory.Destroyed}},
					Bindings: []inventory.Binding{binding},
				},
				"workspaces/acme/secrets/two": {Name: "workspaces/acme/secrets/two", UID: "u2", Versions: map[uint32]inventory.Version{}},
			},
		}
		if diff := cmp.Diff(want, found, cmpopts.IgnoreUnexported(inventory.Inventory{})); diff != "" {
			t.Errorf("Read (-want +got):\n%s", diff)
		}
		if found.Root(half) != s.roots[half] || found.Root(uint64(entries)) != s.roots[entries] || found.Root(5000) != (tlog.Hash{}) {
			t.Errorf("Root at %d, %d, 5000 = %v, %v, %v", half, entries, found.Root(half), found.Root(uint64(entries)), found.Root(5000))
		}
	}
}

func TestInventoryOfAnotherFormIsRefused(t *testing.T) {
	t.Parallel()
	s := newState(t, 3)
	whole := s.write(t)
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	swapped := func(a, b int) string {
		changed := append([]string(nil), lines...)
		changed[a], changed[b] = changed[b], changed[a]
		return strings.Join(changed, "")
	}
	inserted := func(at int, line string) string {
		changed := append(append(append([]string(nil), lines[:at]...), line), lines[at:]...)
		return strings.Replace(strings.Join(changed, ""), `{"lines":8}`, `{"lines":9}`, 1)
	}
	edited := func(from, to string) string {
		changed := strings.Replace(whole, from, to, 1)
		if changed == whole {
			t.Fatalf("the inventory lacks %q", from)
		}
		return changed
	}
	for what, tt := range map[string]struct {
		file string
		want error
	}{
		"an empty file":               {"", inventory.ErrMalformed},
		"a backup":                    {"keyward backup 1\n{}\n", inventory.ErrMalformed},
		"a later format":              {edited("inventory 1", "inventory 2"), inventory.ErrNewer},
		"a long line":                 {lines[0] + strings.Repeat("x", 2<<20), inventory.ErrMalformed},
		"no head":                     {edited(lines[1], ""), inventory.ErrMalformed},
		"two heads":                   {inserted(2, lines[1]), inventory.ErrMalformed},
		"the head later":              {swapped(1, 2), inventory.ErrMalformed},
		"a program twice":             {inserted(2, lines[2]), inventory.ErrMalformed},
		"a program after a secret":    {swapped(2, 3), inventory.ErrMalformed},
		"a secret twice":              {inserted(7, lines[3]), inventory.ErrMalformed},
		"a version before a secret":   {inserted(3, lines[4]), inventory.ErrMalformed},
		"a version twice":             {inserted(5, lines[4]), inventory.ErrMalformed},
		"a version after a binding":   {swapped(5, 6), inventory.ErrMalformed},
		"version 0":                   {edited(`"number":1`, `"number":0`), inventory.ErrMalformed},
		"a state that is not known":   {edited(`"DISABLED"`, `"GONE"`), inventory.ErrMalformed},
		"a binding before a secret":   {inserted(3, lines[6]), inventory.ErrMalformed},
		"a secret after the hashes":   {inserted(9, lines[7]), inventory.ErrMalformed},
		"hashes twice":                {inserted(9, lines[8]), inventory.ErrMalformed},
		"other hashes":                {edited(lines[8][12:16], "AAAA"), inventory.ErrMalformed},
		"another number of lines":     {edited(`{"lines":8}`, `{"lines":7}`), inventory.ErrMalformed},
		"no end":                      {strings.Join(lines[:len(lines)-1], ""), inventory.ErrMalformed},
		"a line after the end":        {whole + lines[9], inventory.ErrMalformed},
		"an unfinished line":          {whole[:len(whole)-1], inventory.ErrMalformed},
		"a member that is not known":  {edited(`"uid":"u1"`, `"uid":"u1","value":"x"`), inventory.ErrMalformed},
		"another spelling":            {edited(`"uid":"u1"`, `"UID":"u1"`), inventory.ErrMalformed},
		"a member twice":              {edited(`"uid":"u1"`, `"uid":"u0","uid":"u1"`), inventory.ErrMalformed},
		"a space":                     {edited(`"uid":"u1"`, `"uid": "u1"`), inventory.ErrMalformed},
		"a secret without a uid":      {edited(`"uid":"u1"`, `"uid":""`), inventory.ErrMalformed},
		"a head that does not verify": {edited("— keyward.dev/vault ", "— keyward.dev/vault AAAA"), inventory.ErrMalformed},
	} {
		if _, err := inventory.Read(strings.NewReader(tt.file)); !errors.Is(err, tt.want) {
			t.Errorf("Read of %s = %v, want %v", what, err, tt.want)
		}
	}
	for at := range len(whole) {
		if _, err := inventory.Read(strings.NewReader(whole[:at])); !errors.Is(err, inventory.ErrMalformed) {
			t.Fatalf("Read of the first %d of %d bytes = %v, want %v", at, len(whole), err, inventory.ErrMalformed)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, entries := range []int{0, 3} {
		f.Add([]byte(newState(f, entries).write(f)))
	}
	f.Add([]byte("keyward inventory 1\n{\"head\":{\"key\":\"\",\"checkpoint\":\"\"}}\n{\"end\":{\"lines\":1}}\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		found, err := inventory.Read(bytes.NewReader(file), 1)
		if err != nil {
			if !errors.Is(err, inventory.ErrMalformed) && !errors.Is(err, inventory.ErrNewer) {
				t.Errorf("Read = %v, want one of its errors", err)
			}
			return
		}
		if _, err := changelog.OpenCheckpoint(found.Head.Checkpoint, found.Head.Key); err != nil {
			t.Errorf("Read accepts a head that does not verify: %v", err)
		}
		for name, secret := range found.Secrets {
			if secret.Name != name || secret.UID == "" {
				t.Errorf("Read returns %+v under %q", secret, name)
			}
		}
	})
}
