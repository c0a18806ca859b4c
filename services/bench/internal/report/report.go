// Package report prints what the benchmark measured: as tables for people, as JSON for programs,
// and as Markdown for the documentation.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"

	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/layout"
)

// Keyward is the name of the target that is not a limit.
const Keyward = "Keyward"

// A Report is the result of a run.
type Report struct {
	// Machine describes the machine.
	Machine Machine `json:"machine"`
	// Secrets and Endpoints are the sizes of the stores.
	Secrets   int `json:"secrets"`
	Endpoints int `json:"endpoints"`
	// Results are the results of the cases, in order.
	Results []Result `json:"results"`
	// Reads are two reads of a store in process, with and without MACs.
	Reads []compare.Figures `json:"reads,omitempty"`
	// Pages are the pages of a commit by layout, in a store with PagesSecrets secrets.
	Pages        []layout.Figure `json:"pages,omitempty"`
	PagesSecrets int             `json:"pages_secrets,omitempty"`
}

// A Result is a case with a number of callers.
type Result struct {
	Case    string          `json:"case"`
	Callers int             `json:"callers"`
	Keyward compare.Figures `json:"keyward"`
	// Limits are the limits of the case. The first one is that of the target figures.
	Limits []compare.Figures `json:"limits"`
}

// limit returns the first limit, or empty figures without a limit.
func (r Result) limit() compare.Figures {
	if len(r.Limits) == 0 {
		return compare.Figures{}
	}
	return r.Limits[0]
}

// Failed returns the targets that had errors.
func (r Report) Failed() []string {
	var all []string
	for _, result := range r.Results {
		for _, f := range append([]compare.Figures{result.Keyward}, result.Limits...) {
			if f.Errors > 0 {
				all = append(all, fmt.Sprintf("%s, %d callers, %s: %d errors, the first: %s", result.Case, result.Callers, f.Target, f.Errors, f.Error))
			}
		}
	}
	return all
}

// WriteJSON writes the report as JSON.
func (r Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// A column is a column of the table of Keyward's figures.
type column struct {
	title string
	cell  func(Result) string
}

// columns compare Keyward with the limits of each case.
var columns = []column{
	{"case", func(r Result) string { return r.Case }},
	{"callers", func(r Result) string { return fmt.Sprint(r.Callers) }},
	{"calls/s", func(r Result) string { return count(r.Keyward.Rate) }},
	{"limit", func(r Result) string { return cmp.Or(r.limit().Target, none) }},
	{"of limit", func(r Result) string { return ratio(r.Keyward.Rate, r.limit().Rate) }},
	{"of chain", func(r Result) string { return ratio(r.Keyward.Rate, r.named("chain").Rate) }},
	{"p50", func(r Result) string { return millis(r.Keyward.P50) }},
	{"p99", func(r Result) string { return millis(r.Keyward.P99) }},
	{"p99/limit", func(r Result) string { return ratio(float64(r.Keyward.P99), float64(r.limit().P99)) }},
	{"CPU/1,000", func(r Result) string { return millis(r.Keyward.CPU * 1000) }},
	{"CPU/limit", func(r Result) string { return ratio(float64(r.Keyward.CPU), float64(r.limit().CPU)) }},
	{"written", func(r Result) string { return kib(r.Keyward.Written) }},
	{"allocs", func(r Result) string { return count(r.Keyward.Allocations) }},
	{"memory", func(r Result) string { return mib(r.Keyward.Memory) }},
}

// named returns the limit with a name, or empty figures without such a limit.
func (r Result) named(name string) compare.Figures {
	for _, f := range r.Limits {
		if f.Target == name {
			return f
		}
	}
	return compare.Figures{}
}

// lines are the lines of the table of Keyward's figures.
func (r Report) lines() [][]string {
	lines := make([][]string, 1+len(r.Results))
	for _, c := range columns {
		lines[0] = append(lines[0], c.title)
		for i, result := range r.Results {
			lines[i+1] = append(lines[i+1], c.cell(result))
		}
	}
	return lines
}

// limitLines are the lines of the table of the limits themselves.
func (r Report) limitLines() [][]string {
	lines := [][]string{{"case", "callers", "limit", "calls/s", "p50", "p99", "CPU/1,000", "written", "memory"}}
	for _, result := range r.Results {
		for _, f := range result.Limits {
			lines = append(lines, []string{
				result.Case, fmt.Sprint(result.Callers), f.Target,
				count(f.Rate), millis(f.P50), millis(f.P99), millis(f.CPU * 1000), kib(f.Written), mib(f.Memory),
			})
		}
	}
	return lines
}

const legend = `
p50, p99: milliseconds. CPU/1,000: milliseconds of server CPU, user and system, for 1,000 calls, of
both processes for JSON. written: KiB that reach the disk for a call (write_bytes of the processes,
with the request log and access records). allocs: heap objects for a call. memory: MiB of anonymous
resident memory. Callers share a gRPC connection by 16; each JSON caller has an HTTP/1.1 connection
of its own.
`

// WriteText writes the tables for people.
func (r Report) WriteText(w io.Writer) error {
	if _, err := io.WriteString(w, r.heading()+"\n"); err != nil {
		return err
	}
	if err := writeTable(w, "Keyward and its limits", alignRight, r.lines()); err != nil {
		return err
	}
	if _, err := io.WriteString(w, legend); err != nil {
		return err
	}
	if err := writeTable(w, "The limits", alignRight, r.limitLines()); err != nil {
		return err
	}
	if len(r.Reads) > 0 {
		if err := writeReads(w, r.Reads); err != nil {
			return err
		}
	}
	if len(r.Pages) > 0 {
		return WritePages(w, r.PagesSecrets, r.Pages)
	}
	return nil
}

func (r Report) heading() string {
	return fmt.Sprintf("%s\n%s secrets, %s endpoints", r.Machine.heading(), count(float64(r.Secrets)), count(float64(r.Endpoints)))
}

// WriteMarkdown writes the table of the documentation.
func (r Report) WriteMarkdown(w io.Writer) error { return writeMarkdown(w, r.heading(), r.lines()) }
