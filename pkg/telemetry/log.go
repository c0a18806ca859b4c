package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/sensitive"
)

// LogConfig configures the log.
type LogConfig struct {
	// Level is the least severe level to log: debug, info, warn or error. Default info.
	Level string `yaml:"level"`
}

func (c LogConfig) check() error {
	if c.Level == "" {
		return nil
	}
	// UnmarshalText also accepts `info+2`, and its error quotes the input.
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Level) {
		return fmt.Errorf("log.level: must be debug, info, warn, or error")
	}
	return nil
}

func (c LogConfig) level() slog.Level {
	var level slog.Level
	// A checked level parses. An empty one leaves the zero level, which is info.
	_ = level.UnmarshalText([]byte(c.Level))
	return level
}

// NewLogger returns a logger that writes one JSON object per line to w. It redacts sensitive
// attributes; see the package comment.
func NewLogger(w io.Writer, level slog.Level, service string) *slog.Logger {
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: redact})
	return slog.New(handler).With(slog.String("service", service))
}

// Words that mark an attribute as sensitive, if they occur anywhere in its key or in the name of
// its group. They are grouped by first letter, because every attribute of every line is checked.
var telltales = [...][]string{
	'a': {"authorization"},
	'b': {"bearer", "body"},
	'c': {"cookie", "credential"},
	'j': {"jwt"},
	'k': {"key"},
	'p': {"passphrase", "passwd", "password", "payload", "plaintext", "private"},
	's': {"secret"},
	't': {"token"},
	'v': {"value"},
}

// redact replaces sensitive values. The handler calls it for every attribute that is not a group,
// after LogValue.
func redact(groups []string, a slog.Attr) slog.Attr {
	if telltale(a.Key) || slices.ContainsFunc(groups, telltale) {
		return slog.String(a.Key, sensitive.Redacted)
	}
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	switch v := a.Value.Any().(type) {
	case nil, bool, []string, *slog.Source, slog.Level, netip.Addr, netip.AddrPort:
		return a
	case error:
		return slog.String(a.Key, v.Error())
	default:
		// The handler would print every field: of a message, of bytes, of a request.
		return slog.String(a.Key, fmt.Sprintf("(%T)", v))
	}
}

func telltale(name string) bool {
	name = strings.ToLower(name)
	for i := range len(name) {
		if int(name[i]) >= len(telltales) {
			continue
		}
		for _, word := range telltales[name[i]] {
			if strings.HasPrefix(name[i:], word) {
				return true
			}
		}
	}
	return false
}
