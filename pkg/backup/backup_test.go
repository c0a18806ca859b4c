package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// keyed returns the provider whose key consists of one byte.
func keyed(t testing.TB, uri string, b byte) keyring.Providers {
	t.Helper()
	key, err := subtle.NewAESGCM(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return keyring.Local(uri, key)
}

// open opens a store as a service does.
func open(t testing.TB, path, service string, providers keyring.Providers) backup.Source {
	t.Helper()
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	keys, err := keyring.Open(t.Context(), store, providers, service)
	if err != nil {
		t.Fatal(err)
	}
	s := backup.Source{Service: service, Store: store, Keys: keys}
	s.Log, err = changelog.New(keys.LogSeeds(), service, time.Now)
	if err := errors.Join(err, keys.Authenticate(store)); err != nil {
		t.Fatal(err)
	}
	store.Attach(changelog.Name, s.Log)
	return s
}

func newSource(t testing.TB) backup.Source {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "store"), "vault", keyed(t, "test:1", 1))
}

func options(t testing.TB) backup.Options {
	t.Helper()
	return backup.Options{Service: "vault", Providers: keyed(t, "test:1", 1)}
}

func key(n int) kv.Key { return kv.NewKey("rows").Uint(uint64(n)) }

// put writes a row with its entry.
func put(ctx context.Context, s backup.Source, n int, value string) error {
	return s.Store.Update(ctx, func(tx kv.Tx) error {
		entry := changelog.Entry{Action: "written", Scope: "workspaces/acme", Resource: fmt.Sprint("row ", n)}
		if value == "" {
			return errors.Join(tx.Delete(key(n)), s.Log.Append(tx, entry))
		}
		return errors.Join(tx.Put(key(n), []byte(value)), s.Log.Append(tx, entry))
	})
}

func fillStore(t testing.TB, s backup.Source, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := put(t.Context(), s, n, fmt.Sprint("value ", n)); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t testing.TB, s backup.Source) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := backup.Write(t.Context(), s, time.Unix(1_800_000_000, 0), &file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// stored returns all rows in their stored form.
func stored(t testing.TB, s backup.Source) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := s.Store.Snapshot(t.Context(), func(_ kv.Reader, rows iter.Seq2[kv.Pair, error]) error {
		for pair, err := range rows {
			if err != nil {
				return err
			}
			found[string(pair.Key)] = string(pair.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRestoreWritesTheSameRows(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 300)
	large := strings.Repeat("x", 500<<10) // several segments
	for n := range 10 {
		if err := put(t.Context(), s, 1000+n, large); err != nil {
			t.Fatal(err)
		}
	}
	file := write(t, s)
	path := filepath.Join(t.TempDir(), "restored")
	found, err := backup.Restore(t.Context(), options(t), bytes.NewReader(file), path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the restored file is %v, %v, want mode 0600", info, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v, %v, want only the restored file", left, err)
	}
	restored := open(t, path, "vault", keyed(t, "test:1", 1))
	want := stored(t, s)
	if got := stored(t, restored); !maps.Equal(got, want) || found.Rows != uint64(len(want)) {
		t.Errorf("the restored store has %d rows, want the same %d; Restore counted %d", len(got), len(want), found.Rows)
	}
	if found.Head.Size != 310 || found.Service != "vault" || found.Provider != "test:1" {
		t.Errorf("Restore = %+v", found)
	}
	fillStore(t, restored, 2000, 2010) // it goes on
}

// A backup of a moment has all of that moment, and the log of the running store extends its head.
func TestBackupDuringWritesIsOfOneMoment(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 50)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		for n := 50; ; n++ {
			if err := put(ctx, s, n, fmt.Sprint("value ", n)); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 5 {
		path := filepath.Join(t.TempDir(), "restored")
		found, err := backup.Restore(t.Context(), options(t), bytes.NewReader(write(t, s)), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Store.View(t.Context(), func(r kv.Reader) error { return s.Log.Includes(r, found.Checkpoint) }); err != nil {
			t.Errorf("the running log does not extend the head of the backup: %v", err)
		}
		rows := 0
		for k := range stored(t, open(t, path, "vault", keyed(t, "test:1", 1))) {
			if strings.HasPrefix(k, string(kv.NewKey("rows"))) {
				rows++
			}
		}
		if uint64(rows) != found.Head.Size {
			t.Errorf("the backup has %d rows and %d entries, want as many", rows, found.Head.Size)
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDamagedBackupIsRefused(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 3)
	file := write(t, s)
	if rows, err := backup.ReadAll(t.Context(), options(t), bytes.NewReader(file)); err != nil || len(rows) == 0 {
		t.Fatalf("the backup has %d rows, %v", len(rows), err)
	}
	refuse := func(what string, at int, changed []byte) {
		t.Helper()
		if _, err := backup.ReadAll(t.Context(), options(t), bytes.NewReader(changed)); err == nil {
			t.Errorf("a backup with %s at %d of %d is accepted", what, at, len(file))
		}
	}
	for at := range file {
		changed := bytes.Clone(file)
		changed[at] ^= 1 << (at % 8)
		refuse("a changed byte", at, changed)
		if at%16 == 0 {
			refuse("its end", at, file[:at])
		}
	}
	refuse("a further byte", len(file), append(bytes.Clone(file), 0))
	refuse("itself appended", len(file), append(bytes.Clone(file), file...))
}

// segments splits a backup into its header and the encrypted segments.
func segments(file []byte) (parts [][]byte) {
	end := 0
	for range 2 {
		end += bytes.IndexByte(file[end:], '\n') + 1
	}
	parts = append(parts, file[:end])
	for rest := file[end:]; len(rest) > 0; {
		n := min(len(rest), 1<<20)
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return parts
}

func TestCombinedBackupsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	for n := range 8 {
		if err := put(t.Context(), s, n, strings.Repeat("x", 500<<10)); err != nil {
			t.Fatal(err)
		}
	}
	one, two := segments(write(t, s)), segments(write(t, s))
	if len(one) < 5 {
		t.Fatalf("the backup has %d parts", len(one))
	}
	replaced := func(at int, part []byte) [][]byte {
		changed := append([][]byte(nil), one...)
		changed[at] = part
		return changed
	}
	for what, parts := range map[string][][]byte{
		"the header of another one":    replaced(0, two[0]),
		"a segment of another one":     replaced(2, two[2]),
		"the last segment of another":  replaced(len(one)-1, two[len(two)-1]),
		"a segment twice":              replaced(2, one[3]),
		"one segment less":             append(append([][]byte(nil), one[:2]...), one[3:]...),
		"no last segment":              one[:len(one)-1],
		"the header only":              one[:1],
		"a segment after the last one": append(append([][]byte(nil), one...), one[len(one)-1]),
	} {
		_, err := backup.Verify(t.Context(), options(t), bytes.NewReader(bytes.Join(parts, nil)))
		if !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%s: Verify = %v, want %v", what, err, backup.ErrDamaged)
		}
	}
	if _, err := backup.Verify(t.Context(), options(t), bytes.NewReader(bytes.Join(one, nil))); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestForeignFilesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	file := write(t, s)
	other := open(t, filepath.Join(t.TempDir(), "store"), "allowlist", keyed(t, "test:1", 1))
	newer := append([]byte("keyward backup 2\n"), file[bytes.IndexByte(file, '\n')+1:]...)
	wrong := backup.Options{Service: "vault", Providers: keyed(t, "test:1", 2)}
	for what, tt := range map[string]struct {
		file []byte
		o    backup.Options
		want error
	}{
		"an empty file":                 {nil, options(t), backup.ErrForeign},
		"another file":                  {[]byte("SQLite format 3\x00"), options(t), backup.ErrForeign},
		"a long line":                   {bytes.Repeat([]byte{'x'}, 1<<20), options(t), backup.ErrForeign},
		"a later format":                {newer, options(t), backup.ErrNewer},
		"another service's":             {write(t, other), options(t), backup.ErrForeign},
		"another key-encryption key":    {file, wrong, keyring.ErrWrongKey},
		"a header that is not complete": {[]byte("keyward backup 1\n{}\n"), options(t), backup.ErrForeign},
	} {
		folder := t.TempDir()
		_, err := backup.Restore(t.Context(), tt.o, bytes.NewReader(tt.file), filepath.Join(folder, "store"))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: Restore = %v, want %v", what, err, tt.want)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("%s: the folder has %v, %v", what, left, err)
		}
	}
}

func TestRestoreNeverReplacesAFile(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	file := write(t, s)
	path := filepath.Join(t.TempDir(), "store")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), options(t), bytes.NewReader(file), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Restore = %v, want %v", err, fs.ErrExist)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "precious" {
		t.Errorf("the file is %q, %v", content, err)
	}
}

// A restored store that could not be checked or marked gets no name.
func TestRestoreEndsWithItsSteps(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	file := write(t, s)
	refused := errors.New("refused")
	for what, change := range map[string]func(*backup.Options){
		"the check": func(o *backup.Options) { o.Check = func(context.Context, backup.Source) error { return refused } },
		"the mark":  func(o *backup.Options) { o.Mark = func(context.Context, string) error { return refused } },
	} {
		o, folder := options(t), t.TempDir()
		change(&o)
		if _, err := backup.Restore(t.Context(), o, bytes.NewReader(file), filepath.Join(folder, "store")); !errors.Is(err, refused) {
			t.Errorf("%s fails, and Restore succeeds", what)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
			t.Errorf("%s: the folder has %v, %v", what, left, err)
		}
	}
	o, path := options(t), filepath.Join(t.TempDir(), "store")
	o.Mark = func(ctx context.Context, path string) error {
		restored := open(t, path, "vault", keyed(t, "test:1", 1))
		return errors.Join(put(ctx, restored, 7, "marked"), restored.Store.Close())
	}
	if _, err := backup.Restore(t.Context(), o, bytes.NewReader(file), path); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, open(t, path, "vault", keyed(t, "test:1", 1))); !strings.HasSuffix(got[string(key(7))], "marked") {
		t.Error("the restored store lacks the mark")
	}
}

// A restore that was killed leaves its temporary file. The store that gets the name erases it.
func TestTheRemainsOfAKilledRestoreAreErased(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	o, path := options(t), filepath.Join(t.TempDir(), "store")
	var temp string
	o.Mark = func(_ context.Context, path string) error {
		temp = path
		return nil
	}
	if _, err := backup.Restore(t.Context(), o, bytes.NewReader(write(t, s)), path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(temp, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	remains, err := os.Open(temp)
	if err != nil {
		t.Fatal(err)
	}
	defer remains.Close()
	open(t, path, "vault", keyed(t, "test:1", 1))
	if content, err := io.ReadAll(remains); err != nil || len(bytes.Trim(content, "\x00")) != 0 {
		t.Errorf("the temporary file has %q, %v, want zeros", content, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v, %v, want only the store", left, err)
	}
}

func TestDeletedDataIsNotInABackup(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	const gone = "a value that was deleted"
	if err := errors.Join(put(t.Context(), s, 1, gone), put(t.Context(), s, 2, gone), put(t.Context(), s, 1, ""), put(t.Context(), s, 2, "replaced")); err != nil {
		t.Fatal(err)
	}
	rows, err := backup.ReadAll(t.Context(), options(t), bytes.NewReader(write(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range rows {
		if bytes.Contains(pair.Value, []byte(gone)) || bytes.Contains(pair.Key, []byte(gone)) {
			t.Errorf("row %q of the backup has the deleted value", pair.Key)
		}
	}
}

func TestBackupHasNoPlaintext(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 20)
	file := write(t, s)
	for _, word := range []string{"value ", "rows", "acme", "written"} {
		if bytes.Contains(file, []byte(word)) {
			t.Errorf("the backup has %q", word)
		}
	}
}

// A backup opens with the key-encryption key of its time, whatever happened to the keyring since.
func TestBackupFromBeforeChangesOfTheKeyring(t *testing.T) {
	t.Parallel()
	one, two := keyed(t, "test:1", 1), keyed(t, "test:2", 2)
	both := keyring.Providers{URI: "test:1", Further: []string{"test:2"}, Open: func(ctx context.Context, uri string) (tink.AEADWithContext, error) {
		if uri == "test:2" {
			return two.Open(ctx, uri)
		}
		return one.Open(ctx, uri)
	}}
	s := open(t, filepath.Join(t.TempDir(), "store"), "vault", both)
	fillStore(t, s, 0, 5)
	first := write(t, s)
	err := s.Keys.Rotate(t.Context(), func(tx kv.Tx, next [32]byte) error { return s.Log.Succeed(tx, next) })
	if err := errors.Join(err, s.Log.Use(s.Keys.LogSeeds()), s.Keys.Authenticate(s.Store)); err != nil {
		t.Fatal(err)
	}
	fillStore(t, s, 5, 10) // rows of two generations
	rotated := write(t, s)
	if err := s.Keys.Wrap(t.Context(), "test:2", nil); err != nil {
		t.Fatal(err)
	}
	replaced := write(t, s)
	for _, tt := range []struct {
		what      string
		file      []byte
		providers keyring.Providers
		opens     bool
	}{
		{"before the rotation", first, one, true},
		{"after the rotation", rotated, one, true},
		{"after the provider was replaced", replaced, two, true},
		{"after the provider was replaced, with both", replaced, both, true},
		{"after the provider was replaced, with the old one", replaced, one, false},
		{"before the provider was replaced, with the new one", rotated, two, false},
	} {
		_, err := backup.Verify(t.Context(), backup.Options{Service: "vault", Providers: tt.providers}, bytes.NewReader(tt.file))
		if tt.opens != (err == nil) || !tt.opens && !errors.Is(err, keyring.ErrWrongKey) {
			t.Errorf("a backup from %s: Verify = %v", tt.what, err)
		}
	}
}

// A restore needs only the provider that wrapped the keyring. It leaves the record as it is, so that the
// restored file has no other one.
func TestRestoreLeavesTheKeyringAsItIs(t *testing.T) {
	t.Parallel()
	file := write(t, newSource(t))
	one := keyed(t, "test:1", 1)
	next := keyring.Providers{URI: "test:2", Further: []string{"test:1"}, Open: func(ctx context.Context, uri string) (tink.AEADWithContext, error) {
		if uri == "test:2" {
			return nil, keyring.ErrUnavailable
		}
		return one.Open(ctx, uri)
	}}
	path := filepath.Join(t.TempDir(), "store")
	found, err := backup.Restore(t.Context(), backup.Options{Service: "vault", Providers: next}, bytes.NewReader(file), path)
	if err != nil {
		t.Fatal(err)
	}
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	err = store.View(t.Context(), func(r kv.Reader) error {
		record, err := keyring.StoredRecord(r, "vault")
		if !bytes.Equal(record, found.Keyring) {
			t.Error("the restored file has another record than the backup")
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// short is a writer with little room.
type short struct{ room int }

var errFull = errors.New("no space left")

func (s *short) Write(data []byte) (int, error) {
	if s.room -= len(data); s.room < 0 {
		return 0, errFull
	}
	return len(data), nil
}

func TestWriteEndsWithItsWriterAndItsContext(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 200)
	size := len(write(t, s))
	for _, room := range []int{0, 500, size / 2, size - 1} {
		if _, err := backup.Write(t.Context(), s, time.Now(), &short{room}); !errors.Is(err, errFull) {
			t.Errorf("Write with room for %d of %d bytes = %v, want %v", room, size, err, errFull)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := backup.Write(ctx, s, time.Now(), io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("Write after the end of its context = %v", err)
	}
	fillStore(t, s, 200, 201) // no state is left open, and the store goes on
}
