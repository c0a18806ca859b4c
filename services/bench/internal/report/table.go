package report

import (
	"io"
	"strings"
	"text/tabwriter"
)

// writeTable writes lines of cells in columns, after a title if there is one.
func writeTable(w io.Writer, title string, align uint, lines [][]string) error {
	var b strings.Builder
	if title != "" {
		b.WriteString("\n" + title + "\n\n")
	}
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', align)
	for _, line := range lines {
		// A strings.Builder never fails.
		_, _ = io.WriteString(table, strings.Join(line, "\t")+"\t\n")
	}
	_ = table.Flush()
	_, err := io.WriteString(w, b.String())
	return err
}

// writeMarkdown writes a heading and lines of cells as a table of Markdown, of which the first line
// has the titles.
func writeMarkdown(w io.Writer, heading string, lines [][]string) error {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(heading, "\n", "; ") + ".\n\n")
	for i, line := range lines {
		b.WriteString("| " + strings.Join(line, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|" + strings.Repeat("---|", len(line)) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
