// Package scale measures how the cost of calls, memory, disk, and start depend on the number of
// secrets and endpoints.
package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/keyward/keyward/services/bench/internal/cases"
	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/load"
	"github.com/keyward/keyward/services/bench/internal/program"
	"github.com/keyward/keyward/services/bench/internal/report"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// Config selects what to measure.
type Config struct {
	// Programs is the folder of the programs of Keyward.
	Programs string
	// Sizes are the numbers of secrets. The allowlist has as many endpoints, at most Endpoints.
	Sizes     []int
	Endpoints int
	// Callers is the number of callers.
	Callers int
	// Options are the rounds.
	compare.Options
	// Cache is a folder for filled stores, which are used again. It is created if necessary.
	Cache string
	// Progress receives a line for each step.
	Progress io.Writer
}

// Run measures all sizes.
func Run(ctx context.Context, cfg Config) ([]report.Size, error) {
	if err := os.MkdirAll(cfg.Cache, 0o700); err != nil {
		return nil, fmt.Errorf("create folder for filled stores: %w", err)
	}
	form, err := storedForm(ctx, cfg.Programs)
	if err != nil {
		return nil, fmt.Errorf("identify the stored form: %w", err)
	}
	var all []report.Size
	for _, n := range cfg.Sizes {
		s := &size{Config: cfg, secrets: n, endpoints: min(n, cfg.Endpoints), form: form}
		got, err := s.run(ctx)
		if err != nil {
			return nil, fmt.Errorf("measure %d secrets: %w", n, err)
		}
		all = append(all, got)
	}
	return all, nil
}

// A size is a number of secrets that is measured.
type size struct {
	Config
	secrets, endpoints int
	form               string
	site               *site.Site
	world              *cases.World
}

func (s *size) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Progress, format+"\n", args...) // a lost line does no harm
}

func (s *size) run(ctx context.Context) (result report.Size, err error) {
	filled, err := s.filled(ctx)
	if err != nil {
		return result, err
	}
	// The measurement changes the stores, so it works on a copy.
	folder, err := os.MkdirTemp(s.Cache, "run-")
	if err != nil {
		return result, fmt.Errorf("create folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := copyStores(folder, filled); err != nil {
		return result, err
	}
	if err := s.open(ctx, folder); err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.site.Close()) }()
	result = report.Size{Secrets: s.secrets, Endpoints: s.endpoints, Callers: s.Callers}
	if result.File, result.Pages, err = rows.Disk(s.site.Path("vault.db")); err != nil {
		return result, err
	}
	if result.Start, err = s.firstAnswer(ctx); err != nil {
		return result, err
	}
	if _, err := s.site.Start(ctx, site.Allowlist); err != nil {
		return result, err
	}
	if err := s.world.Bind(ctx); err != nil {
		return result, err
	}
	if result.Cases, err = s.measure(ctx); err != nil {
		return result, err
	}
	for name, memory := range map[string]*int64{site.Vault: &result.VaultMemory, site.Allowlist: &result.AllowlistMemory} {
		u, err := s.site.Program(name).Usage(ctx)
		if err != nil {
			return result, err
		}
		*memory = u.Memory
	}
	return result, nil
}

// open prepares a site in a folder with stores, or for new ones.
func (s *size) open(ctx context.Context, folder string) (err error) {
	if s.site, err = site.New(ctx, folder, s.Programs); err != nil {
		return err
	}
	if s.world, err = cases.New(s.site, s.secrets, s.endpoints); err != nil {
		return errors.Join(err, s.site.Close())
	}
	return nil
}

// firstAnswer starts the vault and returns the time from the start of the process to the first
// answer.
func (s *size) firstAnswer(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	if _, err := s.site.Start(ctx, site.Vault); err != nil {
		return 0, err
	}
	for _, c := range s.world.All() {
		if c.Name != cases.GetSecret {
			continue
		}
		if _, err := c.Probe(ctx, s.site.Address(site.Vault)); err != nil {
			return 0, err
		}
	}
	elapsed := time.Since(begun)
	s.progress("%d secrets: %.2fs from start to the first answer", s.secrets, elapsed.Seconds())
	return elapsed, nil
}

// measure measures the calls.
func (s *size) measure(ctx context.Context) (all []report.Case, err error) {
	for _, c := range s.world.All() {
		if c.JSON() || c.Program == site.Allowlist && c.Name != cases.CheckURL {
			continue // the number of secrets does not matter to a message
		}
		if all, err = s.add(ctx, all, c, s.Callers); err != nil {
			return nil, err
		}
	}
	// A search takes a processor for so long that more callers would only measure the queue.
	return s.add(ctx, all, s.world.Search(), 1)
}

// add measures a case and appends its figures.
func (s *size) add(ctx context.Context, to []report.Case, c cases.Case, callers int) ([]report.Case, error) {
	figures, err := compare.Run(ctx, []compare.Target{{
		Name: report.Keyward, Programs: []*program.Program{s.site.Program(c.Program)},
		Connect: func(n int) ([]load.Call, func(), error) {
			return cases.Callers(n, s.site.Address(c.Program), c.Method, c.Caller, c.Next)
		},
	}}, callers, s.Options)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", c.Name, err)
	}
	s.progress("%d secrets: %-36s %7.0f/s", s.secrets, c.Name, figures[0].Rate)
	return append(to, report.Case{Name: c.Name, Figures: figures[0]}), nil
}
