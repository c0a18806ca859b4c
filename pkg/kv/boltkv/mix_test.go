package boltkv_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// BenchmarkMix makes durable updates with the rows of a service: a create writes a resource, its
// place in a list, a version, and a value, and appends to a change log. An update reads the
// resource and writes all of that again with the next version. Lines report updates per second,
// and the processor time and the bytes written for each.
func BenchmarkMix(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("create/callers=%d", callers), func(b *testing.B) {
			m := newMix(b)
			m.run(b, callers, m.create)
		})
		b.Run(fmt.Sprintf("update/callers=%d", callers), func(b *testing.B) {
			m := newMix(b)
			m.fill(b)
			m.run(b, callers, m.update)
		})
	}
}

// mixSecrets is the number of resources that updates choose from.
const mixSecrets = 20_000

type mix struct {
	db  *boltkv.DB
	log *changelog.Log
}

func newMix(b *testing.B) *mix {
	b.Helper()
	log, err := changelog.New([][32]byte{{1}}, "bench", time.Now)
	must(b, err)
	db := open(b, filepath.Join(b.TempDir(), "store"), boltkv.Options{})
	db.Attach(changelog.Name, log)
	return &mix{db: db, log: log}
}

func (m *mix) fill(b *testing.B) {
	b.Helper()
	done := make(chan error)
	for caller := range uint64(64) {
		go func() {
			var err error
			for n := caller; n < mixSecrets && err == nil; n += 64 {
				err = m.create(b, n)
			}
			done <- err
		}()
	}
	for range 64 {
		must(b, <-done)
	}
}

// scatter maps numbers to names in no order.
func scatter(n uint64) string { return fmt.Sprintf("%016x", n*0x9E3779B97F4A7C15) }

func (m *mix) create(b *testing.B, n uint64) error { return m.write(b, n, 1) }

func (m *mix) update(b *testing.B, n uint64) error { return m.write(b, n%mixSecrets, 2+n/mixSecrets) }

func (m *mix) write(b *testing.B, n, version uint64) error {
	const workspace = "workspaces/payments"
	id, uid := "partner-"+scatter(n), scatter(^n)+scatter(n)[:10]
	name := kv.NewKey("secret").Text(workspace).Text(id)
	now := time.Now()
	row := bytes.Repeat([]byte("secret  "), 40)
	binary.BigEndian.PutUint64(row, uint64(now.UnixNano()))
	entry := changelog.Entry{
		Time: now, Action: "UpdateSecret", Scope: workspace, Resource: workspace + "/secrets/" + id, UID: uid,
		Actor:  changelog.Actor{Subject: "https://issuer.example ann", Roles: []string{"owner"}, Authentication: "oidc", Address: "192.0.2.1"},
		Fields: []string{"value"}, RequestID: "0123456789abcdef", Version: uint32(version),
	}
	return m.db.Update(b.Context(), func(tx kv.Tx) error {
		list := kv.NewKey("by-update").Text(workspace)
		if version > 1 {
			before, err := tx.Get(name)
			if err != nil {
				return err
			}
			if err := tx.Delete(list.Uint(binary.BigEndian.Uint64(before)).Text(id)); err != nil {
				return err
			}
		}
		for _, w := range []struct {
			key   kv.Key
			value []byte
		}{
			{name, row},
			{list.Uint(uint64(now.UnixNano())).Text(id), nil},
			{kv.NewKey("version").Text(uid).Uint(version), row[:250]},
			{kv.NewKey("value").Text(uid).Uint(version), bytes.Repeat([]byte("sealed"), 75)},
		} {
			if err := tx.Put(w.key, w.value); err != nil {
				return err
			}
		}
		return m.log.Append(tx, entry, changelog.Row{Value: row})
	})
}

func (m *mix) run(b *testing.B, callers int, one func(*testing.B, uint64) error) {
	b.Helper()
	var next atomic.Uint64
	done := make(chan error, callers)
	used, wrote := processorTime(b), written(b)
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		go func() {
			var err error
			for n := next.Add(1) - 1; n < uint64(b.N) && err == nil; n = next.Add(1) - 1 {
				err = one(b, n)
			}
			done <- err
		}()
	}
	for range callers {
		must(b, <-done)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
	b.ReportMetric(float64((processorTime(b)-used).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(written(b)-wrote)/1024/float64(b.N), "KiB/op")
}

// processorTime returns how long processors have worked for this process.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// written returns how many bytes this process has caused to be written to disks.
func written(b *testing.B) (bytes int64) {
	b.Helper()
	stats, err := os.ReadFile("/proc/self/io")
	must(b, err)
	for line := range strings.Lines(string(stats)) {
		if n, err := fmt.Sscanf(line, "write_bytes: %d", &bytes); n == 1 && err == nil {
			return bytes
		}
	}
	b.Fatal("/proc/self/io has no write_bytes")
	return 0
}
