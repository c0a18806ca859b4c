package program

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCPUTimeIsThatOfTheProcessWhateverItsName(t *testing.T) {
	t.Parallel()
	const rest = " S 1 2 3 0 -1 4194304 100 0 0 0 250 150 7 7 20 0 8 0 1000 0"
	for _, name := range []string{"(vault)", "(a b)", "(a) 9 9)"} {
		got, err := cpuTime("42 " + name + rest)
		if err != nil || got != 4*time.Second {
			t.Errorf("cpuTime of %s = %v, %v; want 4s", name, got, err)
		}
	}
	for _, text := range []string{"", "42 (vault) S 1 2"} {
		if got, err := cpuTime(text); err == nil {
			t.Errorf("cpuTime(%q) = %v, want an error", text, got)
		}
	}
}

func TestFieldFindsANumberAtTheStartOfALine(t *testing.T) {
	t.Parallel()
	text := []byte("VmRSS:\t  900 kB\nRssAnon:\t  512 kB\nempty:\n")
	for name, want := range map[string]int64{"RssAnon:": 512, "Anon:": -1, "empty:": -1} {
		if got := field(text, name); got != want {
			t.Errorf("field(%q) = %d, want %d", name, got, want)
		}
	}
}

func TestMetricIsReadByItsWholeName(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("# HELP calls_total calls\ncalls_total_more 1\ncalls_total 2.5e+06\n"))
	}))
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	if got, err := Metric(t.Context(), address, "calls_total"); err != nil || got != 2.5e6 {
		t.Errorf("Metric = %v, %v; want 2.5e6", got, err)
	}
	if got, err := Metric(t.Context(), address, "no_such"); err == nil {
		t.Errorf("Metric of an unknown name = %v, want an error", got)
	}
}

func TestOwnUsageGrows(t *testing.T) {
	t.Parallel()
	before, err := Own()
	if err != nil {
		t.Skipf("this system does not tell: %v", err)
	}
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
		_ = strings.Repeat("x", 100)
	}
	after, err := Own()
	if err != nil || after.Memory <= 0 || after.CPU < before.CPU || after.Allocations <= before.Allocations {
		t.Errorf("Own = %+v, then %+v, %v; want more", before, after, err)
	}
}
