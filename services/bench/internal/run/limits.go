package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/keyward/keyward/services/bench/internal/cases"
	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/limit"
	"github.com/keyward/keyward/services/bench/internal/load"
	"github.com/keyward/keyward/services/bench/internal/program"
	"github.com/keyward/keyward/services/bench/internal/report"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// committing is the name of the limit without a server.
const committing = "commit"

// limits are the running limits.
type limits struct {
	site      *site.Site
	self      string
	running   map[string]*program.Program
	addresses map[string]string
	committer *limit.Committer
	// sizes are those of the messages of each case.
	sizes map[string]sizes
}

type sizes struct{ request, response int }

// keyward returns the target of a case.
func (r *run) keyward(c cases.Case) compare.Target {
	target := compare.Target{Name: report.Keyward, Programs: []*program.Program{r.site.Program(c.Program)}}
	if c.JSON() {
		target.Programs = append(target.Programs, r.site.Program(site.Vault))
	}
	target.Connect = connector(c, r.site.Address(c.Program))
	return target
}

// connector returns the function that connects callers of the real method.
func connector(c cases.Case, address string) func(int) ([]load.Call, func(), error) {
	return func(n int) ([]load.Call, func(), error) {
		if c.JSON() {
			return cases.HTTPCallers(n, address, c.Caller, c.Next)
		}
		return cases.Callers(n, address, c.Method, c.Caller, c.Next)
	}
}

// startLimits records an answer of each case and starts the limits.
func (r *run) startLimits(ctx context.Context, chosen []cases.Case, writes rows.Writes) error {
	l := r.limits
	l.running, l.addresses, l.sizes = make(map[string]*program.Program), make(map[string]string), make(map[string]sizes)
	answers := make(limit.Answers)
	for _, c := range r.world.All() {
		if c.JSON() {
			continue // it has the method of another case
		}
		if c.Prepare != nil {
			if err := c.Prepare(ctx); err != nil {
				return err
			}
		}
		response, err := c.Probe(ctx, r.site.Address(c.Program))
		if err != nil {
			return err
		}
		answers[c.Method] = response
		l.sizes[c.Name] = sizes{requestSize(c), len(response)}
	}
	if err := answers.Write(r.site.Path("answers.json")); err != nil {
		return err
	}
	needed := map[string]limit.Config{
		limit.Echo:  {Answers: r.site.Path("answers.json")},
		limit.Chain: {Answers: r.site.Path("answers.json")},
	}
	for _, c := range chosen {
		if c.Name == cases.CreateSecret || c.Name == cases.UpdateSecret {
			needed[limit.Floor] = limit.Config{Store: r.site.Path("floor.db"), Writes: writes, Secrets: r.Secrets}
		}
		if c.JSON() {
			needed[limit.Gateway] = limit.Config{}
		}
	}
	for _, kind := range []string{limit.Echo, limit.Chain, limit.Floor, limit.Gateway} { // the gateway needs the echo
		if cfg, ok := needed[kind]; ok {
			if err := l.start(ctx, kind, cfg); err != nil {
				return err
			}
		}
	}
	if _, ok := needed[limit.Floor]; !ok {
		return nil
	}
	var err error
	l.committer, err = limit.NewCommitter(ctx, r.site.Path("commit.db"), writes, r.Secrets)
	return err
}

// requestSize returns the mean size of the requests of a case.
func requestSize(c cases.Case) (mean int) {
	const samples = 100
	for n := range uint64(samples) {
		mean += len(c.Next(n))
	}
	return mean / samples
}

// start starts a limit and waits until it answers.
func (l *limits) start(ctx context.Context, kind string, cfg limit.Config) error {
	address, err := program.Address(ctx)
	if err != nil {
		return err
	}
	if err := l.site.Certify(kind); err != nil {
		return err
	}
	cfg.Kind, cfg.Listen = kind, address
	cfg.Certificate, cfg.Key = l.site.Path(kind+".crt"), l.site.Path(kind+".key")
	cfg.Trust, cfg.Domain, cfg.Backend = l.site.Path("ca.pem"), site.Domain, l.addresses[limit.Echo]
	var metrics string
	if kind == limit.Chain {
		if metrics, err = program.Address(ctx); err != nil {
			return err
		}
		cfg.Server = l.site.Path("chain.yaml")
		if err := l.writeSettings(cfg.Server, address, metrics); err != nil {
			return err
		}
	}
	if err := writeJSON(l.site.Path(kind+".json"), cfg); err != nil {
		return err
	}
	p, err := program.Start(program.Config{
		Name: kind, Path: l.self, Args: []string{"limit", l.site.Path(kind + ".json")}, Log: l.site.Path(kind + ".log"), Metrics: metrics,
	})
	if err != nil {
		return err
	}
	l.running[kind], l.addresses[kind] = p, address
	if err := l.await(ctx, kind); err != nil {
		return fmt.Errorf("start limit %s (see %s): %w", kind, l.site.Path(kind+".log"), err)
	}
	return nil
}

func (l *limits) await(ctx context.Context, kind string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		l.running[kind].Wait()
		cancel(errors.New("it has ended"))
	}()
	var err error
	if kind == limit.Gateway {
		err = site.AwaitHTTP(ctx, l.addresses[kind], l.site.ClientTLS(nil))
	} else {
		err = site.AwaitGRPC(ctx, l.addresses[kind], l.site.ClientTLS(nil))
	}
	return errors.Join(err, context.Cause(ctx))
}

// writeSettings writes the settings of the chain, which are those of the vault.
func (l *limits) writeSettings(path, listen, metrics string) error {
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(l.site.ServerSettings(folder, limit.Chain, listen, metrics)), 0o600)
}

// of returns the limits of a case.
func (l *limits) of(c cases.Case) []compare.Target {
	switch {
	case c.JSON():
		target := compare.Target{Name: "bare gateway", Programs: []*program.Program{l.running[limit.Gateway], l.running[limit.Echo]}}
		target.Connect = connector(c, l.addresses[limit.Gateway])
		return []compare.Target{target}
	case c.Name == cases.CreateSecret:
		return []compare.Target{l.bare(limit.Floor, limit.CreateMethod, c), l.chain(c), l.commits(l.committer.Create)}
	case c.Name == cases.UpdateSecret:
		return []compare.Target{l.bare(limit.Floor, limit.UpdateMethod, c), l.chain(c), l.commits(l.committer.Update)}
	}
	return []compare.Target{l.bare(limit.Echo, limit.EchoMethod, c), l.chain(c)}
}

// bare returns a bare server with messages as large as those of a case.
func (l *limits) bare(kind, method string, c cases.Case) compare.Target {
	request := limit.Request(l.sizes[c.Name].request, l.sizes[c.Name].response)
	// A bare server does not look at the caller, so it gets no token.
	who := site.Caller{TLS: c.Caller.TLS}
	return compare.Target{
		Name: kind, Programs: []*program.Program{l.running[kind]},
		Connect: func(n int) ([]load.Call, func(), error) {
			return cases.Callers(n, l.addresses[kind], method, who, func(uint64) []byte { return request })
		},
	}
}

func (l *limits) chain(c cases.Case) compare.Target {
	return compare.Target{
		Name: limit.Chain, Programs: []*program.Program{l.running[limit.Chain]}, Connect: connector(c, l.addresses[limit.Chain]),
	}
}

// commits returns the target that commits in this process.
func (l *limits) commits(change func(context.Context, []byte) error) compare.Target {
	return compare.Target{Name: committing, Connect: func(n int) ([]load.Call, func(), error) {
		calls := make([]load.Call, n)
		for i := range calls {
			calls[i] = func(ctx context.Context) error { return change(ctx, nil) }
		}
		return calls, func() {}, nil
	}}
}

// close stops all limits.
func (l *limits) close() error {
	var errs []error
	for _, p := range l.running {
		errs = append(errs, p.Stop())
	}
	if l.committer != nil {
		errs = append(errs, l.committer.Close())
	}
	return errors.Join(errs...)
}
