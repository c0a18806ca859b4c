package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/layout"
	"github.com/keyward/keyward/services/bench/internal/report"
)

func sample() report.Report {
	return report.Report{
		Machine: report.Machine{Processors: 2, Model: "a processor", Go: "go1.26", Load: "1 2 3", Time: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)},
		Secrets: 10_000, Endpoints: 100,
		Results: []report.Result{{
			Case: "GetSecret", Callers: 16,
			Keyward: compare.Figures{
				Target: report.Keyward, Calls: 5, Rate: 12_345.6, P50: 1500 * time.Microsecond, P99: 12 * time.Millisecond,
				CPU: 80 * time.Microsecond, Written: 512, Allocations: 230, Memory: 25 << 20,
			},
			Limits: []compare.Figures{
				{Target: "echo", Calls: 5, Rate: 24_691.2, P50: time.Millisecond, P99: 6 * time.Millisecond, CPU: 20 * time.Microsecond, Written: -1},
				{Target: "chain", Calls: 5, Rate: 15_432, CPU: 40 * time.Microsecond, Written: -1},
			},
		}},
		Reads:        []compare.Figures{{Target: "two reads", P50: 4 * time.Microsecond}, {Target: "with MACs", P50: 6 * time.Microsecond}},
		Pages:        []layout.Figure{{Layout: "a", Change: "create", Random: true, PerCommit: 64, Pages: 698, Bytes: 44_672}},
		PagesSecrets: 100_000,
	}
}

func TestTheTableComparesWithTheLimits(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"GetSecret 16 12,346 echo 0.50 0.80 1.50 12 2.00 80 4.00 0.5 230 25",
		"GetSecret 16 echo 24,691 1.00 6.00 20 - 0",
		"with MACs 6.00 0.00 0 1.50",
		"a create random 64 698.0 43.6 0.0",
		"2026-01-02 03:04 UTC, 2 processors (a processor), go1.26, load average 1 2 3",
	} {
		if !hasLine(b.String(), want) {
			t.Errorf("the report lacks the line %q:\n%s", want, b.String())
		}
	}
}

// hasLine reports whether the report has a line with these words, however they are aligned.
func hasLine(report, words string) bool {
	for line := range strings.Lines(report) {
		if strings.Join(strings.Fields(line), " ") == words {
			return true
		}
	}
	return false
}

func TestAMissingLimitIsNoRatio(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Results[0].Limits = nil
	var b strings.Builder
	if err := r.WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	if want := "| GetSecret | 16 | 12,346 | - | - | - | 1.50 | 12 | - | 80 | - | 0.5 | 230 | 25 |"; !hasLine(b.String(), want) {
		t.Errorf("the Markdown lacks the line %q:\n%s", want, b.String())
	}
}

func TestErrorsAreReported(t *testing.T) {
	t.Parallel()
	r := sample()
	if got := r.Failed(); len(got) != 0 {
		t.Errorf("Failed = %v, want none", got)
	}
	r.Results[0].Limits[1].Errors, r.Results[0].Limits[1].Error = 3, "refused"
	got := r.Failed()
	if len(got) != 1 || !strings.Contains(got[0], "GetSecret, 16 callers, chain: 3 errors") {
		t.Errorf("Failed = %v, want the chain of GetSecret", got)
	}
}

func TestTheJSONKeepsTheFigures(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if f := got.Results[0].Keyward; f.Rate != 12_345.6 || f.P99 != 12*time.Millisecond || got.Pages[0].Pages != 698 {
		t.Errorf("the JSON has %+v, want the figures of the report", f)
	}
}

func TestAScaleHasAColumnForEachSize(t *testing.T) {
	t.Parallel()
	cases := func(rate float64) []report.Case {
		return []report.Case{{Name: "GetSecret", Figures: compare.Figures{Rate: rate, Calls: 1}}}
	}
	s := report.Scale{Sizes: []report.Size{
		{Secrets: 10_000, Endpoints: 10_000, Callers: 16, Pages: 10_000 * 2048, Start: 90 * time.Millisecond, Cases: cases(900)},
		{Secrets: 1_000_000, Endpoints: 100_000, Callers: 16, Pages: 1_000_000 * 3072, Start: time.Second, Cases: cases(800)},
	}}
	var text, markdown strings.Builder
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"secrets 10,000 1,000,000", "start to the first answer, s 0.09 1.00", "disk for a secret, pages in use, KiB 2.0 3.0", "GetSecret, calls/s 900 800"} {
		if !hasLine(text.String(), want) {
			t.Errorf("the table lacks the line %q:\n%s", want, text.String())
		}
	}
	if want := "| GetSecret, calls/s | 900 | 800 |"; !hasLine(markdown.String(), want) {
		t.Errorf("the Markdown lacks the line %q:\n%s", want, markdown.String())
	}
}
