package report

import (
	"fmt"
	"io"

	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/layout"
)

// WritePages writes the table of layouts.
func WritePages(w io.Writer, secrets int, figures []layout.Figure) error {
	lines := [][]string{{"layout", "change", "IDs", "changes a commit", "pages a commit", "KiB a change", "KiB on disk a secret"}}
	for _, f := range figures {
		ids := "growing"
		if f.Random {
			ids = "random"
		}
		lines = append(lines, []string{
			f.Layout, f.Change, ids, fmt.Sprint(f.PerCommit), fmt.Sprintf("%.1f", f.Pages), kib(f.Bytes), kib(f.Disk),
		})
	}
	title := fmt.Sprintf("Pages of a commit by the layout of keys, with %s secrets in the store", count(float64(secrets)))
	return writeTable(w, title, alignLeft, lines)
}

// writeReads writes what MACs add to two reads.
func writeReads(w io.Writer, figures []compare.Figures) error {
	lines := [][]string{{"reads", "p50 µs", "CPU µs", "allocs", "p50/without"}}
	for _, f := range figures {
		lines = append(lines, []string{
			f.Target, micros(f.P50), micros(f.CPU), count(f.Allocations), ratio(float64(f.P50), float64(figures[0].P50)),
		})
	}
	return writeTable(w, "Two reads of a row with and without a MAC (HMAC-SHA-256 of key and value), in process", alignRight, lines)
}
