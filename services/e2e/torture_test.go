//go:build torture

package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/failpoint"
)

// Flags of the test: `go test -tags torture -run Torture ./services/e2e -args -rounds 100`.
var (
	tortureRounds   = flag.Int("rounds", 1000, "the number of times that programs are killed")
	tortureDuration = flag.Duration("duration", 0, "the time after which no round begins; 0 is unlimited")
	tortureSeed     = flag.Uint64("seed", 0, "decides what happens, up to the timing of the machine; 0 is a random one")
)

const (
	// roundsOfStore is the number of rounds after which the torture starts over with new stores, so that
	// they stay small.
	roundsOfStore = 25
	// complete is the number of rounds within which each failpoint must be hit.
	complete = 200
)

// TestTortureLosesNothing kills the vault and the allowlist at random moments and at failpoints, while
// they are used in every way. After each restart, what was acknowledged must be there, and nothing
// that no one asked for.
func TestTortureLosesNothing(t *testing.T) {
	folder, err := build("failpoint", "-tags=failpoint", "../cmd/vault", "../cmd/allowlist")
	check(t, err)
	run := &torture{folder: folder, seed: *tortureSeed, begin: time.Now(), reached: make(map[string]int), killed: make(map[string]int), states: make(map[string]int)}
	if run.seed == 0 {
		run.seed = rand.Uint64()
	}
	t.Logf("seed %d", run.seed)
	for store := 0; run.goesOn() && !t.Failed(); store++ {
		t.Run(fmt.Sprintf("store %d", store), func(t *testing.T) { run.useStore(t, store) })
	}
	t.Log(run.report())
	if missed := run.missed(); run.rounds >= complete && len(missed) > 0 {
		t.Errorf("no load reaches the failpoints %v", missed)
	}
}

// A torture is one run over several stores.
type torture struct {
	folder  string // of the programs
	seed    uint64
	begin   time.Time
	rounds  int
	reached map[string]int // processes that reached a point
	killed  map[string]int // processes that ended at a point
	states  map[string]int // of files after killed upgrades
	// restores counts restores, lost the endpoints that these switched off, and verified the scheduled backups
	// that were verified.
	restores, lost, verified int
}

func (r *torture) goesOn() bool {
	return r.rounds < *tortureRounds && (*tortureDuration == 0 || time.Since(r.begin) < *tortureDuration)
}

// useStore runs some rounds with new stores. Their folder remains if something is wrong.
func (r *torture) useStore(t *testing.T, number int) {
	dir, err := os.MkdirTemp("", "keyward-torture-") //nolint:usetesting // the folder remains
	check(t, err)
	s := newVictims(t, r, dir, uint64(number))
	t.Cleanup(func() {
		s.stopLoad()
		r.count(s)
		if t.Failed() {
			t.Logf("seed %d, store %d, round %d; the folder %s remains; the last operations:\n%s\n%s", r.seed, number, r.rounds, dir, s.trace.last(60), s.logs())
			return
		}
		check(t, os.RemoveAll(dir))
	})
	s.begin()
	for n := 0; n < roundsOfStore && r.goesOn() && !t.Failed(); n++ {
		s.round(n)
		r.rounds++
	}
	if !t.Failed() {
		s.end()
		r.killUpgrades(t, s.rng)
	}
}

// count adds the hits of the failpoints.
func (r *torture) count(s *victims) {
	for _, name := range mortals {
		for _, line := range s.hits(name) {
			r.countLine(line)
		}
	}
}

func (r *torture) countLine(line string) {
	if point, ended := strings.CutPrefix(line, "!"); ended {
		r.killed[point]++
	} else {
		r.reached[point]++
	}
}

func (r *torture) missed() (points []string) {
	for _, p := range failpoint.All() {
		if r.reached[p.String()] == 0 {
			points = append(points, p.String())
		}
	}
	return points
}

func (r *torture) report() string {
	took := time.Since(r.begin)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d rounds in %v, %.0f an hour\n", r.seed, r.rounds, took.Round(time.Second), float64(r.rounds)/took.Hours())
	fmt.Fprintf(&b, "%d restores, which switched %d endpoints off; %d scheduled backups verified\n", r.restores, r.lost, r.verified)
	fmt.Fprintf(&b, "files after killed upgrades: %v\n", r.states)
	fmt.Fprintf(&b, "%-24s %8s %8s\n", "failpoint", "reached", "killed")
	for _, p := range failpoint.All() {
		fmt.Fprintf(&b, "%-24s %8d %8d\n", p, r.reached[p.String()], r.killed[p.String()])
	}
	return b.String()
}

// killUpgrades kills an upgrade of each program at a failpoint and repeats it.
func (r *torture) killUpgrades(t *testing.T, rng *rand.Rand) {
	dir := earlierData(t)
	upgradeConfigs(t, dir)
	for _, service := range mortals {
		point := pick(rng, upgradePoints)
		file := filepath.Join(dir, "failpoint-"+service)
		plan(t, file, fmt.Sprintf("%s 1", point))
		upgrade := func() *process {
			p := startCommand(t, service, withFailpoint(r.folder, file, service, "upgrade", "--quiet", "--config", filepath.Join(dir, service+".yaml")))
			<-p.exited
			return p
		}
		if p := upgrade(); p.err == nil {
			t.Errorf("%s upgrade does not reach %s", service, point)
		}
		r.states[upgradeState(t, dir, service)]++
		plan(t, file, "")
		if p := upgrade(); p.err != nil {
			t.Errorf("%s upgrade after a kill at %s: %v\n%s", service, point, p.err, p.output())
		}
		if state := upgradeState(t, dir, service); state != "upgraded" {
			t.Errorf("the state after another %s upgrade, after a kill at %s, is %s", service, point, state)
		}
		for line := range strings.Lines(readFile(t, file+".hits")) {
			r.countLine(strings.TrimSpace(line))
		}
	}
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// A trace holds the last operations.
type trace struct {
	mu    sync.Mutex
	lines []string
}

func (o *trace) add(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := time.Now().Format("15:04:05.000000 ") + fmt.Sprintf(format, args...)
	if o.lines = append(o.lines, line); len(o.lines) > 2000 {
		o.lines = slices.Delete(o.lines, 0, 1000)
	}
}

func (o *trace) last(n int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines[max(0, len(o.lines)-n):], "\n")
}
