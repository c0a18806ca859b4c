// Package run runs the benchmark: it starts Keyward and the limits, fills them, and compares them.
package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/services/bench/internal/cases"
	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/layout"
	"github.com/keyward/keyward/services/bench/internal/mac"
	"github.com/keyward/keyward/services/bench/internal/report"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// Config selects what to measure.
type Config struct {
	// Programs is the folder of the programs of Keyward, and Self the path of this one.
	Programs, Self string
	// Cases are the cases to measure, by name or its beginning; empty: all.
	Cases []string
	// Callers are the numbers of callers.
	Callers []int
	// Options are the rounds.
	compare.Options
	// Secrets and Endpoints are the numbers of those in the stores.
	Secrets, Endpoints int
	// PagesSecrets is the number of secrets in the stores whose pages are counted; 0 counts none.
	PagesSecrets int
	// Folder is an existing folder for the stores, which are removed. Empty: that of the system for
	// temporary files.
	Folder string
	// Progress receives a line for each step.
	Progress io.Writer
}

// A run is the benchmark that runs.
type run struct {
	Config
	site   *site.Site
	world  *cases.World
	limits *limits
}

// Run runs the benchmark.
func Run(ctx context.Context, cfg Config) (result report.Report, err error) {
	folder, err := os.MkdirTemp(cfg.Folder, "keyward-bench-")
	if err != nil {
		return result, fmt.Errorf("create folder: %w", err)
	}
	defer func() { err = cleanUp(ctx, folder, err) }()
	r := &run{Config: cfg}
	if r.site, err = site.New(ctx, folder, cfg.Programs); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, r.site.Close()) }()
	if r.world, err = cases.New(r.site, cfg.Secrets, cfg.Endpoints); err != nil {
		return result, err
	}
	writes, err := r.fill(ctx)
	if err != nil {
		return result, err
	}
	chosen, err := choose(r.world.All(), cfg.Cases)
	if err != nil {
		return result, err
	}
	r.limits = &limits{site: r.site, self: cfg.Self}
	defer func() { err = errors.Join(err, r.limits.close()) }()
	if err := r.startLimits(ctx, chosen, writes); err != nil {
		return result, err
	}
	result = report.Report{Machine: report.ThisMachine(), Secrets: cfg.Secrets, Endpoints: cfg.Endpoints}
	for _, c := range chosen {
		for _, callers := range cfg.Callers {
			got, err := r.measure(ctx, c, callers)
			if err != nil {
				return result, err
			}
			result.Results = append(result.Results, got)
		}
	}
	err = r.inProcess(ctx, folder, &result)
	return result, err
}

// cleanUp removes the folder of a run. If the run failed, it keeps the folder for its logs.
func cleanUp(ctx context.Context, folder string, err error) error {
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w (the logs are in %s)", err, folder)
	}
	return errors.Join(err, os.RemoveAll(folder))
}

// inProcess makes the measurements that need no server.
func (r *run) inProcess(ctx context.Context, folder string, result *report.Report) (err error) {
	if r.PagesSecrets == 0 {
		return nil
	}
	b, err := mac.New(ctx, folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if result.Reads, err = compare.Run(ctx, b.Targets(), 1, r.Options); err != nil {
		return err
	}
	r.progress("measured two reads with and without MACs")
	result.PagesSecrets = r.PagesSecrets
	result.Pages, err = layout.Run(ctx, layout.Config{Folder: folder, Secrets: r.PagesSecrets, Changes: r.PagesSecrets / 10})
	return err
}

func (r *run) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(r.Progress, format+"\n", args...) // a lost line does no harm
}

// fill starts the programs and creates the secrets and endpoints.
func (r *run) fill(ctx context.Context) (writes rows.Writes, err error) {
	begun := time.Now()
	if _, err := r.site.Start(ctx, site.Vault); err != nil {
		return writes, err
	}
	if err := r.world.FillVault(ctx); err != nil {
		return writes, err
	}
	if err := r.site.Stop(site.Vault); err != nil {
		return writes, err
	}
	if writes, err = r.world.Learn(ctx, r.site.Path("vault.db")); err != nil {
		return writes, err
	}
	r.progress("created %d secrets in %.1fs; a create puts %d bytes in %d rows, an update %d in %d", r.Secrets,
		time.Since(begun).Seconds(), writes.Create.Bytes(), len(writes.Create.Put), writes.Update.Bytes(), len(writes.Update.Put))
	for _, name := range []string{site.Vault, site.Allowlist, site.Gateway} {
		if _, err := r.site.Start(ctx, name); err != nil {
			return writes, err
		}
	}
	begun = time.Now()
	if err := r.world.FillAllowlist(ctx); err != nil {
		return writes, err
	}
	if err := r.world.Bind(ctx); err != nil {
		return writes, err
	}
	r.progress("created %d endpoints in %.1fs", r.Endpoints, time.Since(begun).Seconds())
	return writes, nil
}

// choose returns the cases whose names start with one of the given names, in any case.
func choose(all []cases.Case, names []string) ([]cases.Case, error) {
	if len(names) == 0 {
		return all, nil
	}
	var chosen []cases.Case
	for _, c := range all {
		if slices.ContainsFunc(names, func(name string) bool {
			return strings.HasPrefix(strings.ToLower(c.Name), strings.ToLower(name))
		}) {
			chosen = append(chosen, c)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no case has one of the names %s", strings.Join(names, ", "))
	}
	return chosen, nil
}

// measure compares a case with its limits.
func (r *run) measure(ctx context.Context, c cases.Case, callers int) (report.Result, error) {
	if c.Prepare != nil {
		if err := c.Prepare(ctx); err != nil {
			return report.Result{}, err
		}
	}
	targets := append([]compare.Target{r.keyward(c)}, r.limits.of(c)...)
	figures, err := compare.Run(ctx, targets, callers, r.Options)
	if err != nil {
		return report.Result{}, fmt.Errorf("measure %s with %d callers: %w", c.Name, callers, err)
	}
	result := report.Result{Case: c.Name, Callers: callers, Keyward: figures[0], Limits: figures[1:]}
	r.progress("%-16s %3d callers  %7.0f/s  %s", c.Name, callers, figures[0].Rate, rates(figures[1:]))
	return result, nil
}

func rates(figures []compare.Figures) string {
	var all []string
	for _, f := range figures {
		all = append(all, fmt.Sprintf("%s %.0f/s", f.Target, f.Rate))
	}
	return strings.Join(all, "  ")
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Clean(path), text, 0o600)
}
