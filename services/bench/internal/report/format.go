package report

import (
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"
)

// The alignments of tables.
const (
	alignLeft  = 0
	alignRight = tabwriter.AlignRight
)

// none stands for a figure that is not known.
const none = "-"

// count formats a number without decimals and with commas.
func count(n float64) string {
	text := strconv.FormatInt(int64(n+0.5), 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// ratio formats a ratio.
func ratio(of, to float64) string {
	if to == 0 {
		return none
	}
	return fmt.Sprintf("%.2f", of/to)
}

// millis formats a time in milliseconds.
func millis(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	if ms < 10 {
		return fmt.Sprintf("%.2f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

func kib(bytes float64) string {
	if bytes < 0 {
		return none
	}
	return fmt.Sprintf("%.1f", bytes/1024)
}

func mib(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }

func micros(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Microsecond)) }
