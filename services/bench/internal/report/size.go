package report

import (
	"fmt"
	"io"
	"time"

	"github.com/keyward/keyward/services/bench/internal/compare"
)

// A Size is the result for a number of secrets.
type Size struct {
	Secrets   int `json:"secrets"`
	Endpoints int `json:"endpoints"`
	Callers   int `json:"callers"`
	// File is the size of the vault's data file, and Pages that of its pages in use.
	File  int64 `json:"file_bytes"`
	Pages int64 `json:"pages_bytes"`
	// Start is the time from the start of the vault's process to its first answer.
	Start time.Duration `json:"start_ns"`
	// VaultMemory and AllowlistMemory are the anonymous memory after all calls.
	VaultMemory     int64  `json:"vault_memory_bytes"`
	AllowlistMemory int64  `json:"allowlist_memory_bytes"`
	Cases           []Case `json:"cases"`
}

// A Case is a kind of call at one size.
type Case struct {
	Name string `json:"case"`
	compare.Figures
}

// A Scale is the result of all sizes.
type Scale struct {
	Machine Machine `json:"machine"`
	Sizes   []Size  `json:"sizes"`
}

// Failed returns the cases that had errors.
func (s Scale) Failed() []string {
	var all []string
	for _, size := range s.Sizes {
		for _, c := range size.Cases {
			if c.Errors > 0 {
				all = append(all, fmt.Sprintf("%d secrets, %s: %d errors, the first: %s", size.Secrets, c.Name, c.Errors, c.Error))
			}
		}
	}
	return all
}

// lines are the lines of the table, with a cell for each size.
func (s Scale) lines() (lines [][]string) {
	add := func(title string, cell func(Size) string) {
		line := []string{title}
		for _, size := range s.Sizes {
			line = append(line, cell(size))
		}
		lines = append(lines, line)
	}
	add("secrets", func(z Size) string { return count(float64(z.Secrets)) })
	add("endpoints", func(z Size) string { return count(float64(z.Endpoints)) })
	add("start to the first answer, s", func(z Size) string { return fmt.Sprintf("%.2f", z.Start.Seconds()) })
	add("disk for a secret, pages in use, KiB", func(z Size) string { return kib(float64(z.Pages) / float64(z.Secrets)) })
	add("disk for a secret, file, KiB", func(z Size) string { return kib(float64(z.File) / float64(z.Secrets)) })
	add("anonymous memory of the vault, MiB", func(z Size) string { return mib(z.VaultMemory) })
	add("anonymous memory of the allowlist, MiB", func(z Size) string { return mib(z.AllowlistMemory) })
	if len(s.Sizes) == 0 {
		return lines
	}
	for i, c := range s.Sizes[0].Cases {
		add(c.Name+", calls/s", func(z Size) string { return count(z.Cases[i].Rate) })
		add(c.Name+", p50 ms", func(z Size) string { return millis(z.Cases[i].P50) })
		add(c.Name+", CPU ms/1,000", func(z Size) string { return millis(z.Cases[i].CPU * 1000) })
	}
	return lines
}

func (s Scale) heading() string {
	callers := 0
	if len(s.Sizes) > 0 {
		callers = s.Sizes[0].Callers
	}
	return fmt.Sprintf("%s\n%d callers", s.Machine.heading(), callers)
}

// WriteText writes the table for people.
func (s Scale) WriteText(w io.Writer) error { return writeTable(w, s.heading(), alignLeft, s.lines()) }

// WriteMarkdown writes the table of the documentation.
func (s Scale) WriteMarkdown(w io.Writer) error { return writeMarkdown(w, s.heading(), s.lines()) }

// WriteJSON writes the result as JSON.
func (s Scale) WriteJSON(w io.Writer) error { return writeJSON(w, s) }
