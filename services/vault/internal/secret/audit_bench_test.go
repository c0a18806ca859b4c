package secret_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// BenchmarkAudit measures one comparison of a store with its change log, in CPU time for each
// secret of 256 bytes with one binding. The environment variable SECRETS sets their number.
func BenchmarkAudit(b *testing.B) {
	count := 2000
	if text := os.Getenv("SECRETS"); text != "" {
		count, _ = strconv.Atoi(text)
	}
	f := newFixture(b)
	f.Close()
	db, err := boltkv.Open(filepath.Join(b.TempDir(), "large"), boltkv.Options{})
	check(b, err)
	b.Cleanup(func() { db.Close() })
	f.kv = db
	f.keys, err = keyring.Open(b.Context(), db, keyring.Local("file:key", f.kek), "vault")
	check(b, err)
	check(b, f.keys.Authenticate(db))
	f.log, err = changelog.New([][32]byte{f.keys.Derive("log")}, "vault", time.Now)
	check(b, err)
	db.Attach(changelog.Name, f.log)
	f.Store = f.open(b)
	group, _ := errgroup.WithContext(b.Context())
	group.SetLimit(256)
	text := fmt.Sprintf("%0256d", 1)
	for i := range count {
		group.Go(func() error {
			id := name(fmt.Sprintf("secret-%07d", i))
			draft := secret.Draft{Usage: secret.Parameter, Value: value(b, text+strconv.Itoa(i))}
			if _, err := f.Create(b.Context(), secret.Call{}, id, draft); err != nil {
				return err
			}
			_, _, err := f.Bind(b.Context(), secret.Call{}, id, "allowlist", secret.BindRequest{
				Usage: secret.Parameter, Referrer: "workspaces/acme/endpoints/e", Operation: "operation",
			})
			return err
		})
	}
	check(b, group.Wait())
	alarm := audit.NewAlarm("vault", audit.AlarmOnly, slog.New(slog.NewTextHandler(b.Output(), nil)))
	a := audit.New(audit.Config{Store: db, Log: f.log, Resources: secret.Rows{}, Alarm: alarm, Share: 1})
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	for b.Loop() {
		check(b, a.Pass(b.Context()))
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N)/float64(count), "cpu-ns/secret")
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
