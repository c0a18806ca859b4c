package secret_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// newBenchmark returns a fixture whose store runs each transaction once, and the path of its file.
func newBenchmark(b *testing.B) (f *fixture, file string) {
	b.Helper()
	f = newFixture(b)
	f.Close()
	file = filepath.Join(b.TempDir(), "bench")
	db, err := boltkv.Open(file, boltkv.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	f.kv = db
	path := filepath.Join(b.TempDir(), "key")
	if err := kek.CreateFile(path); err != nil {
		b.Fatal(err)
	}
	key, err := kek.File(path)
	if err != nil {
		b.Fatal(err)
	}
	if f.keys, err = keyring.Open(b.Context(), db, keyring.Local("file:key", key), "vault"); err != nil {
		b.Fatal(err)
	}
	if err := f.keys.Authenticate(db); err != nil {
		b.Fatal(err)
	}
	if f.log, err = changelog.New([][32]byte{f.keys.Derive("log")}, "vault", f.clock.read); err != nil {
		b.Fatal(err)
	}
	db.Attach(changelog.Name, f.log)
	f.Store = f.open(b)
	return f, file
}

// caller is a request as the server describes it.
func caller() secret.Call {
	return secret.Call{Author: changelog.Author{
		Actor:     changelog.Actor{Subject: "https://issuer.example ann", Roles: []string{"owner"}, Authentication: "oidc", Address: "192.0.2.1:4711"},
		RequestID: "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f",
	}, Request: replay.Request{}}
}

func (f *fixture) createRandom(b *testing.B, id string) (secret.Secret, error) {
	v, err := secret.NewBinary(random(b))
	if err != nil {
		b.Fatal(err)
	}
	return f.Create(b.Context(), caller(), name(id), secret.Draft{Usage: secret.Key, Value: v})
}

// random returns a value as long as a large key.
func random(b *testing.B) []byte {
	b.Helper()
	value := make([]byte, 256)
	rand.Read(value)
	return value
}

// cpu returns the processor time that the program has used.
func cpu() int64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return used.Utime.Nano() + used.Stime.Nano()
}

// measure runs call and reports the processor time of a call.
func measure(b *testing.B, call func(n int) error) {
	b.ReportAllocs()
	before, n := cpu(), 0
	for b.Loop() {
		if err := call(n); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkReads(b *testing.B) {
	f, _ := newBenchmark(b)
	const secrets = 10_000
	made := make([]secret.Secret, secrets)
	for i := range made {
		var err error
		if made[i], err = f.createRandom(b, fmt.Sprintf("key-%05d", i)); err != nil {
			b.Fatal(err)
		}
	}
	wanted := func(n int) secret.Wanted {
		return secret.Wanted{Name: made[n].Name, UID: made[n].UID, Purpose: purpose().Digest(), Seal: true}
	}
	const bound = 1000
	for i := range bound {
		f.bind(b, made[i].Name.ID, "e", "op")
		if _, err := f.Resolve(b.Context(), caller(), "allowlist", wanted(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Resolve", func(b *testing.B) {
		measure(b, func(n int) error {
			got, err := f.Resolve(b.Context(), caller(), "allowlist", wanted(n%bound))
			got.Plain.Zero()
			return err
		})
	})
	b.Run("Get", func(b *testing.B) {
		measure(b, func(n int) error {
			_, _, err := f.Get(b.Context(), made[n%bound].Name)
			return err
		})
	})
	b.Run("List of 50", func(b *testing.B) {
		measure(b, func(n int) error {
			q := secret.Query{Workspace: "acme", Page: secret.Page{Limit: 50}}
			if n > 0 {
				q.Cursor = secret.SecretKey(made[n*50%(secrets-50)].Name)
			}
			found, _, err := secret.List(b.Context(), f.Store, q, func(sec *secret.Secret) string { return sec.UID })
			if err == nil && len(found) != 50 {
				err = fmt.Errorf("%d secrets", len(found))
			}
			return err
		})
	})
}

// BenchmarkCreate reports the size of the file for each secret. Run it with -benchtime=100000x.
func BenchmarkCreate(b *testing.B) {
	for _, order := range []string{"sequential", "random"} {
		b.Run(order, func(b *testing.B) {
			f, file := newBenchmark(b)
			measure(b, func(n int) error {
				id := fmt.Sprintf("key-%07d", n)
				if order == "random" {
					var random [4]byte
					rand.Read(random[:])
					id = fmt.Sprintf("key-%x%07d", random, n)
				}
				_, err := f.createRandom(b, id)
				return err
			})
			info, err := os.Stat(file)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/float64(b.N), "file-B/op")
			f.reportRows(b)
		})
	}
}

// reportRows reports the bytes of keys and values for each secret and space.
func (f *fixture) reportRows(b *testing.B) {
	b.Helper()
	sizes := make(map[string]int)
	err := f.kv.View(b.Context(), func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Range{Start: []byte{0}, Limit: 1 << 30}) {
			if err != nil {
				return err
			}
			space, _, _ := bytes.Cut(pair.Key, []byte{0})
			sizes[string(space)] += len(pair.Key) + len(pair.Value)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for space, size := range sizes {
		b.ReportMetric(float64(size)/float64(b.N), space+"-B/op")
	}
}

// BenchmarkChanges reports the bytes that durable changes by 64 callers write, and the bytes of the
// pages in use for each secret before the changes. Run it with -benchtime=1x.
func BenchmarkChanges(b *testing.B) {
	const secrets, callers, changes = 100_000, 64, 6400
	for _, usage := range []secret.Usage{secret.Parameter, secret.Key} {
		b.Run(string(usage), func(b *testing.B) {
			f, file := newBenchmark(b)
			draw := func() secret.Value {
				v, err := secret.NewBinary(random(b))
				if err != nil {
					b.Fatal(err)
				}
				return v
			}
			id := func(n int) string { return fmt.Sprintf("payments-%016x", uint64(n)*0x9E3779B97F4A7C15) }
			create := func(n int) error {
				_, err := f.Create(b.Context(), caller(), name(id(n)), secret.Draft{Usage: usage, Value: draw()})
				return err
			}
			update := func(n int) error {
				_, err := f.Update(b.Context(), caller(), name(id(n*7919%secrets)), secret.Change{Value: draw()})
				return err
			}
			for b.Loop() {
				together(b, 1000, 0, secrets, create)
				f.reportPages(b, file, secrets)
				before := written(b)
				together(b, callers, secrets, changes, create)
				created := written(b)
				together(b, callers, 1, changes, update)
				b.ReportMetric(float64(created-before)/changes/1024, "KiB/create")
				b.ReportMetric(float64(written(b)-created)/changes/1024, "KiB/update")
			}
		})
	}
}

// BenchmarkTogether reports the processor time of changes by several callers, and how many of them
// share a commit. Run it with -benchtime=20000x.
func BenchmarkTogether(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		f, file := newBenchmark(b)
		id := func(n int) string { return fmt.Sprintf("payments-%016x", uint64(n)*0x9E3779B97F4A7C15) }
		made := 0
		b.Run(fmt.Sprintf("create/%d", callers), func(b *testing.B) {
			f.measureTogether(b, file, callers, func(n int) error {
				_, err := f.createRandom(b, id(made+n))
				return err
			})
			made += b.N
		})
		b.Run(fmt.Sprintf("update/%d", callers), func(b *testing.B) {
			f.measureTogether(b, file, callers, func(n int) error {
				v, err := secret.NewBinary(random(b))
				if err == nil {
					_, err = f.Update(b.Context(), caller(), name(id(n*7919%made)), secret.Change{Value: v})
				}
				return err
			})
		})
	}
}

func (f *fixture) measureTogether(b *testing.B, file string, callers int, fn func(n int) error) {
	b.Helper()
	b.ReportAllocs()
	commits, used := commitsOf(b, file), cpu()
	b.ResetTimer()
	together(b, callers, 0, b.N, fn)
	b.StopTimer()
	b.ReportMetric(float64(cpu()-used)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/float64(commitsOf(b, file)-commits), "members/commit")
}

// commitsOf returns the number of commits to a file.
func commitsOf(b *testing.B, file string) (commits int) {
	b.Helper()
	readCopy(b, file, func(tx *bbolt.Tx) error {
		commits = tx.ID()
		return nil
	})
	return commits
}

// together calls fn for n numbers, by a number of callers at a time.
func together(b *testing.B, callers, from, n int, fn func(n int) error) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(callers)
	for i := range n {
		group.Go(func() error { return fn(from + i) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// written returns the number of bytes that the program has written to files.
func written(b *testing.B) (bytes int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("the system does not count written bytes")
	}
	if _, err := fmt.Sscanf(string(text[strings.Index(string(text), "wchar"):]), "wchar: %d", &bytes); err != nil {
		b.Fatal(err)
	}
	return bytes
}

// reportPages reports the bytes of the pages in use for each secret.
func (f *fixture) reportPages(b *testing.B, file string, secrets int) {
	b.Helper()
	used := 0
	readCopy(b, file, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, bucket *bbolt.Bucket) error {
			stats := bucket.Stats()
			used += stats.BranchAlloc + stats.LeafAlloc
			return nil
		})
	})
	b.ReportMetric(float64(used)/float64(secrets), "pages-B/secret")
}

// readCopy reads a copy of a file that is in use.
func readCopy(b *testing.B, file string, fn func(tx *bbolt.Tx) error) {
	b.Helper()
	copied := filepath.Join(b.TempDir(), "copy")
	content, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(copied, content, 0o600)
	}
	if err != nil {
		b.Fatal(err)
	}
	db, err := bbolt.Open(copied, 0o600, &bbolt.Options{ReadOnly: true, PreLoadFreelist: false})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.View(fn); err != nil {
		b.Fatal(err)
	}
}
