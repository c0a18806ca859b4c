package maintenance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/maintenance"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
)

type service struct {
	maintenance.Config

	options backup.Options
}

// newService opens the store of a service whose backups go to a folder, if there is one.
func newService(t testing.TB, schedule maintenance.Schedule) *service {
	t.Helper()
	folder := t.TempDir()
	keys := kek.Config{KeyFile: filepath.Join(folder, "key")}
	path := filepath.Join(folder, "store")
	if err := kek.CreateFile(keys.KeyFile); err != nil {
		t.Fatal(err)
	}
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	ring, err := keyring.Open(t.Context(), store, keys.Providers(), "vault")
	if err != nil {
		t.Fatal(err)
	}
	log, err := changelog.New(ring.LogSeeds(), "vault", time.Now)
	if err := errors.Join(err, ring.Authenticate(store)); err != nil {
		t.Fatal(err)
	}
	store.Attach(changelog.Name, log)
	return &service{
		Config: maintenance.Config{
			Source: backup.Source{Service: "vault", Store: store, Keys: ring, Log: log}, Path: path, Schedule: schedule,
			Report: func(_ context.Context, err error) error { return err },
			Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		},
		options: backup.Options{Service: "vault", Providers: keys.Providers()},
	}
}

func names(t testing.TB, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func metric(b *maintenance.Backups, name string) float64 {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.Collectors()...)
	families, _ := registry.Gather()
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// gate is a writer that waits.
type gate struct{ arrived, open chan struct{} }

func (g gate) Write(data []byte) (int, error) {
	g.arrived <- struct{}{}
	<-g.open
	return len(data), nil
}

func TestOneBackupRunsAtATime(t *testing.T) {
	t.Parallel()
	s := newService(t, maintenance.Schedule{})
	b := maintenance.NewBackups(s.Config)
	slow := gate{make(chan struct{}), make(chan struct{})}
	done := make(chan error)
	go func() { done <- b.Backup(t.Context(), changelog.Author{}, slow) }()
	<-slow.arrived
	for range 7 {
		err := b.Backup(t.Context(), changelog.Author{}, io.Discard)
		if f := new(fault.Error); !errors.As(err, &f) || f.Reason != fault.RateLimited {
			t.Errorf("a second backup = %v, want RATE_LIMITED", err)
		}
	}
	// The caller is slow, but the store is not waiting for it.
	if left := names(t, filepath.Dir(s.Path)); !slices.Equal(left, []string{"key", "store"}) {
		t.Errorf("the folder of the store has %v", left)
	}
	close(slow.open)
	if err := <-done; err != nil {
		t.Error(err)
	}
	var file bytes.Buffer
	if err := b.Backup(t.Context(), changelog.Author{}, &file); err != nil {
		t.Fatal(err)
	}
	found, err := backup.Verify(t.Context(), s.options, &file)
	if err != nil || found.Head.Size != 2 {
		t.Errorf("Verify = %+v, %v, want the entries of both backups", found, err)
	}
	if at := metric(b, "keyward_backup_last_success_timestamp_seconds"); time.Since(time.Unix(int64(at), 0)) > time.Minute {
		t.Errorf("the last success was at %v", at)
	}
	if n := testutil.CollectAndCount(b.Collectors()[2]); n != 1 {
		t.Errorf("there are %d metrics of failures", n)
	}
}

func TestCallerWhoGoesAwayIsNoFailure(t *testing.T) {
	t.Parallel()
	b := maintenance.NewBackups(newService(t, maintenance.Schedule{}).Config)
	ctx, cancel := context.WithCancel(t.Context())
	gone := maintenance.Parts(ctx, time.Minute, func(*maintenancev1.BackupResponse) error {
		cancel()
		return ctx.Err()
	})
	if err := b.Backup(ctx, changelog.Author{}, gone); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup = %v, want %v", err, context.Canceled)
	}
	if n := metric(b, "keyward_backup_failures_total"); n != 0 {
		t.Errorf("%v failures", n)
	}
	stalled := maintenance.Parts(t.Context(), time.Millisecond, func(*maintenancev1.BackupResponse) error {
		<-t.Context().Done()
		return nil
	})
	err := b.Backup(t.Context(), changelog.Author{}, stalled)
	if f := new(fault.Error); !errors.As(err, &f) || f.Reason != fault.RateLimited {
		t.Errorf("a backup for a caller who receives nothing = %v, want RATE_LIMITED", err)
	}
	if n := metric(b, "keyward_backup_failures_total"); n != 1 {
		t.Errorf("%v failures", n)
	}
}

func TestPartsAreSmall(t *testing.T) {
	t.Parallel()
	var sizes []int
	to := maintenance.Parts(t.Context(), time.Minute, func(r *maintenancev1.BackupResponse) error {
		sizes = append(sizes, len(r.GetData()))
		return nil
	})
	if n, err := to.Write(make([]byte, 2<<20+5)); n != 2<<20+5 || err != nil || !slices.Equal(sizes, []int{1 << 20, 1 << 20, 5}) {
		t.Errorf("Write = %d, %v, in parts of %v", n, err, sizes)
	}
}

// runUntilWritten runs the scheduled backups of a service until the first one is complete.
func runUntilWritten(t testing.TB, s *service) {
	t.Helper()
	b := maintenance.NewBackups(s.Config)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	for deadline := time.Now().Add(time.Minute); metric(b, "keyward_backup_size_bytes") < 100; {
		if time.Now().After(deadline) {
			t.Fatalf("no backup was written: %v", names(t, s.Schedule.Folder))
		}
		time.Sleep(time.Millisecond) // until the background task is done
	}
	stop()
	<-done
}

// A missed backup is written at the start, and old ones are removed after that, but nothing else.
func TestScheduledBackups(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	old := []string{"vault-20200101T000000Z.backup", "vault-20210101T000000Z.backup", "vault-20220101T000000Z.backup"}
	other := []string{"allowlist-20200101T000000Z.backup", "vault-20200101T000000Z.backup.copy", "vault.backup", "vault-29990101T000000Z.backup"}
	for _, name := range append(slices.Clone(old), append(other, ".vault-1.partial")...) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newService(t, maintenance.Schedule{Folder: folder, Every: time.Hour, Keep: 3})
	runUntilWritten(t, s)
	left := slices.DeleteFunc(names(t, folder), func(name string) bool { return slices.Contains(other, name) })
	if len(left) != 2 || left[0] != old[2] || !strings.HasPrefix(left[1], "vault-20") {
		t.Fatalf("the folder has %v, want the newest three", left)
	}
	file, err := os.Open(filepath.Join(folder, left[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if found, err := backup.Verify(t.Context(), s.options, file); err != nil || found.Head.Size != 1 {
		t.Errorf("Verify = %+v, %v", found, err)
	}
	err = s.Source.Store.View(t.Context(), func(r kv.Reader) error {
		entries, _, err := changelog.Follow(r, "", 0, 10)
		if len(entries) != 1 || entries[0].Action != maintenance.BackedUp || entries[0].Resource != "workspaces/-/vault/backup" {
			t.Errorf("the entries are %+v", entries)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// Backups of the future, from before the clock was set, keep no backup from being made.
func TestBackupsOfTheFutureDoNotCount(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	const future, old = "vault-29990101T000000Z.backup", "vault-20200101T000000Z.backup"
	for _, name := range []string{future, old} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runUntilWritten(t, newService(t, maintenance.Schedule{Folder: folder, Every: time.Hour, Keep: 1}))
	left := names(t, folder)
	if len(left) != 2 || left[0] == old || left[1] != future {
		t.Errorf("the folder has %v, want the backup just written, and that of the future", left)
	}
}

func TestFailedBackupRemovesNothing(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "missing")
	b := maintenance.NewBackups(newService(t, maintenance.Schedule{Folder: folder}).Config)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.Run(ctx); close(done) }()
	for deadline := time.Now().Add(time.Minute); metric(b, "keyward_backup_failures_total") == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the failure is not counted")
		}
		time.Sleep(time.Millisecond) // until the background task is done
	}
	stop()
	<-done
	if at := metric(b, "keyward_backup_last_success_timestamp_seconds"); at != 0 {
		t.Errorf("the last success was at %v", at)
	}
}

func TestScheduleIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		schedule maintenance.Schedule
		want     string
	}{
		{maintenance.Schedule{}, ""},
		{maintenance.Schedule{Folder: "f"}, ""},
		{maintenance.Schedule{Folder: "f", Every: 10 * time.Minute, Keep: 1}, ""},
		{maintenance.Schedule{Every: time.Hour}, "backup.folder"},
		{maintenance.Schedule{Folder: "f", Every: time.Minute}, "backup.every"},
		{maintenance.Schedule{Folder: "f", Every: 721 * time.Hour}, "backup.every"},
		{maintenance.Schedule{Folder: "f", Keep: -1}, "backup.keep"},
		{maintenance.Schedule{Folder: "f", Keep: 1001}, "backup.keep"},
	} {
		if err := tt.schedule.Check(); (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v: Check = %v, want %q", tt.schedule, err, tt.want)
		}
	}
	folder := t.TempDir()
	for mode, warnings := range map[os.FileMode]int{0o700: 0, 0o755: 1} {
		report := filecheck.New(time.Now())
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		maintenance.Schedule{Folder: folder}.CheckFiles(report)
		if len(report.Errors()) != 0 || len(report.Warnings()) != warnings {
			t.Errorf("a folder of mode %v: %v, %v", mode, report.Errors(), report.Warnings())
		}
	}
	report := filecheck.New(time.Now())
	maintenance.Schedule{Folder: folder + "/missing"}.CheckFiles(report)
	if len(report.Errors()) != 1 {
		t.Errorf("a missing folder: %v", report.Errors())
	}
}
