package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/replay"
)

// registryOf returns a registry of n endpoints, in turn in the given number of workspaces: half of
// them have a plain URL, and half a wildcard, on a tenth as many hosts.
func registryOf(b testing.TB, n, workspaces int) *Registry {
	b.Helper()
	folder := b.TempDir()
	store, err := boltkv.Open(filepath.Join(folder, "store.db"), boltkv.Options{})
	check(b, err)
	b.Cleanup(func() { check(b, store.Close()) })
	check(b, kek.CreateFile(filepath.Join(folder, "key")))
	key, err := kek.File(filepath.Join(folder, "key"))
	check(b, err)
	keys, err := keyring.Open(b.Context(), store, keyring.Local("file:key", key), "benchmark")
	check(b, err)
	log, err := changelog.New([][32]byte{keys.Derive("change log")}, "benchmark", time.Now)
	check(b, err)
	store.Attach(changelog.Name, log)
	r, err := NewRegistry(b.Context(), Options{
		Store: store, Log: log, Replays: replay.NewLedger(keys.Derive("request ids"), time.Now),
		Logger: slog.New(slog.DiscardHandler), Now: time.Now, Metrics: prometheus.NewRegistry(),
	})
	check(b, err)
	work, ctx := errgroup.WithContext(b.Context())
	work.SetLimit(512)
	for i := range n {
		work.Go(func() error { return fill(ctx, r, i, homeOf(i, workspaces)) })
	}
	check(b, work.Wait())
	return r
}

// fill creates the endpoint with a number, and activates it.
func fill(ctx context.Context, r *Registry, i int, workspace string) error {
	u, err := ParseURL(urlOf(i))
	if err != nil {
		return err
	}
	name := Name{workspace, fmt.Sprintf("e%06d", i)}
	_, err = r.save(ctx, name, ActionCreated, Call{}, func(*Endpoint) (Endpoint, error) {
		return Endpoint{Name: name, UID: name.ID, State: Active, Settings: Settings{URL: u, Methods: []string{"POST"}}}, nil
	})
	return err
}

// homeOf returns the workspace of the endpoint with a number.
func homeOf(i, workspaces int) string {
	if workspaces == 1 {
		return "acme"
	}
	return fmt.Sprint("w", i/2%workspaces) // each with both kinds of URLs
}

func urlOf(i int) string {
	text := fmt.Sprintf("https://host-%d.example/v1/partners/%d/orders", i/10, i)
	if i%2 == 0 {
		return text + "/*"
	}
	return text
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkCheck measures checks among 100,000 endpoints, in one workspace and in many.
func BenchmarkCheck(b *testing.B) {
	const endpoints = 100_000
	for _, workspaces := range []int{1, 1000} {
		b.Run(fmt.Sprint(workspaces, " workspaces"), func(b *testing.B) {
			r := registryOf(b, endpoints, workspaces)
			for name, url := range map[string]func(i int) string{
				"a URL":                  func(i int) string { return urlOf(i | 1) },
				"a URL below a wildcard": func(i int) string { return strings.TrimSuffix(urlOf(i&^1), "*") + "7/lines?page=2" },
				"an unknown URL":         func(i int) string { return fmt.Sprintf("https://host-%d.example/v2/a/b/c", i) },
			} {
				b.Run(name, func(b *testing.B) { benchmarkCheck(b, r, workspaces, endpoints, url) })
			}
		})
	}
}

func benchmarkCheck(b *testing.B, r *Registry, workspaces, endpoints int, url func(i int) string) {
	b.Helper()
	b.ReportAllocs()
	draw := new(draws)
	for b.Loop() {
		i := draw.below(endpoints)
		a, err := r.Check(b.Context(), Question{Workspace: homeOf(i, workspaces), Method: "POST", URL: url(i)})
		if err != nil || a.Verdict != Allowed && a.Verdict != NoEndpoint {
			b.Fatal(a.Verdict, err)
		}
	}
}

// BenchmarkAtScale compares the cost of questions to registries of 100 and of 100,000 endpoints.
// The two take turns, so that other load on the machine affects both equally.
func BenchmarkAtScale(b *testing.B) {
	const few, many = 100, 100_000
	small, large := registryOf(b, few, 1), registryOf(b, many, 1)
	for _, bm := range []struct {
		name string
		ask  func(r *Registry, i int) error
	}{
		{"check a URL", func(r *Registry, i int) error {
			text := urlOf(i)
			if i%2 == 0 {
				text = text[:len(text)-1] + "7/lines?page=2"
			}
			a, err := r.Check(b.Context(), Question{Workspace: "acme", Method: "POST", URL: text})
			if a.Verdict != Allowed {
				return fmt.Errorf("Check(%s) = %s, %w", text, a.Verdict, err)
			}
			return err
		}},
		{"check an unknown URL", func(r *Registry, i int) error {
			_, err := r.Check(b.Context(), Question{Workspace: "acme", Method: "POST", URL: fmt.Sprintf("https://host-%d.example/v2/a/b/c", i)})
			return err
		}},
		{"list a page by name", func(r *Registry, i int) error {
			_, err := r.List(b.Context(), Query{Workspace: "acme", Limit: 50})
			return err
		}},
		{"list a page by update", func(r *Registry, i int) error {
			_, err := r.List(b.Context(), Query{Workspace: "acme", Limit: 50, ByUpdate: true, Descending: true})
			return err
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			var spent [2]time.Duration
			draw := new(draws)
			for b.Loop() {
				for which, r := range []*Registry{small, large} {
					i := draw.below([]int{few, many}[which])
					begun := time.Now()
					if err := bm.ask(r, i); err != nil {
						b.Fatal(err)
					}
					spent[which] += time.Since(begun)
				}
			}
			b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N), "ns/small")
			b.ReportMetric(float64(spent[1].Nanoseconds())/float64(b.N), "ns/large")
			b.ReportMetric(float64(spent[1])/float64(spent[0]), "large/small")
		})
	}
}
