package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/keyward/keyward/services/bench/internal/compare"
	"github.com/keyward/keyward/services/bench/internal/layout"
)

// WritePages writes the table of layouts.
func WritePages(w io.Writer, secrets int, figures []layout.Figure) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nPages of a commit by the layout of keys, with %s secrets in the store\n\n", count(float64(secrets)))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "layout\tchange\tIDs\tchanges a commit\tpages a commit\tKiB a change\tKiB on disk a secret")
	for _, f := range figures {
		ids := "growing"
		if f.Random {
			ids = "random"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.1f\t%s\t%s\n", f.Layout, f.Change, ids, f.PerCommit, f.Pages, kib(f.Bytes), kib(f.Disk))
	}
	_ = table.Flush() // a strings.Builder never fails
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteReads writes what MACs add to two reads.
func WriteReads(w io.Writer, figures []compare.Figures) error {
	var b strings.Builder
	b.WriteString("\nTwo reads of a row with and without a MAC (HMAC-SHA-256 of key and value), in process\n\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "reads\tp50 µs\tCPU µs\tallocs\tp50/without\t")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t\n", f.Target, micros(f.P50), micros(f.CPU), count(f.Allocations),
			ratio(float64(f.P50), float64(figures[0].P50)))
	}
	_ = table.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

func micros(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Microsecond)) }
