package snippet

import (
	"fmt"
	"strings"
)

// escaped writes a text as it stands between quotes, in JavaScript and in Java.
func escaped(text string, quote rune) string {
	var s strings.Builder
	for _, r := range text {
		switch {
		case r == quote || r == '\\':
			s.WriteRune('\\')
			s.WriteRune(r)
		case r == '\n':
			s.WriteString(`\n`)
		case r == '\r':
			s.WriteString(`\r`)
		case r == '\t':
			s.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			fmt.Fprintf(&s, `\u%04x`, r)
		default:
			s.WriteRune(r)
		}
	}
	return s.String()
}

// indented joins lines, each behind a margin.
func indented(margin string, lines []string) string {
	var s strings.Builder
	for _, line := range lines {
		if line != "" {
			s.WriteString(margin + line)
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func quoteAll(d dialect, texts []string) []string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = d.quote(text)
	}
	return quoted
}
