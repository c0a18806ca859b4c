package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/pkg/telemetry"
)

const canary = "canary-6f1d0c2ab7e94358"

func TestLoggerKeepsSecretsBack(t *testing.T) {
	t.Parallel()
	type request struct{ Text string }
	tests := []struct {
		name string
		log  func(*slog.Logger)
	}{
		{"under the key of a credential", func(l *slog.Logger) { l.Info("m", "Authorization", canary) }},
		{"under a key that ends like one", func(l *slog.Logger) { l.Info("m", "x-api-key", canary) }},
		{"under a key with a secret in it", func(l *slog.Logger) { l.Info("m", "client_secret", canary) }},
		{"under a key for a number", func(l *slog.Logger) { l.Info("m", "token", 4711) }},
		{"in a group with such a name", func(l *slog.Logger) { l.WithGroup("cookies").Info("m", "name", canary) }},
		{"in a group of attributes", func(l *slog.Logger) { l.Info("m", slog.Group("secret", "name", canary)) }},
		{"in what a logger always says", func(l *slog.Logger) { l.With("password", canary).Info("m") }},
		{"in a message", func(l *slog.Logger) { l.Info("m", "req", wrapperspb.String(canary)) }},
		{"in a list of messages", func(l *slog.Logger) { l.Info("m", "reqs", []any{wrapperspb.String(canary)}) }},
		{"in bytes", func(l *slog.Logger) { l.Info("m", "data", []byte(canary)) }},
		{"in a struct", func(l *slog.Logger) { l.Info("m", "req", request{canary}) }},
		{"in a map", func(l *slog.Logger) { l.Info("m", "headers", map[string]string{"a": canary}) }},
		{"in a value that redacts itself", func(l *slog.Logger) { l.Info("m", "plain", sensitive.New([]byte(canary))) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			tt.log(telemetry.NewLogger(&out, slog.LevelInfo, "test"))
			text := out.String()
			if strings.Contains(text, canary) || strings.Contains(text, "Y2FuYXJ5") || strings.Contains(text, "4711") {
				t.Errorf("the line holds the value: %s", text)
			}
			if !strings.Contains(text, `"msg":"m"`) {
				t.Errorf("the line is not whole: %s", text)
			}
		})
	}
}

func TestLoggerKnowsCredentialsByTheirNames(t *testing.T) {
	t.Parallel()
	for _, word := range []string{
		"authorization", "bearer", "cookie", "credential", "jwt", "key", "passphrase", "passwd", "password",
		"plaintext", "private", "secret", "token", "value", "body", "payload",
	} {
		for _, key := range []string{word, strings.ToUpper(word), "x-" + word, word + "_2", "é" + word, "pa" + word} {
			var out bytes.Buffer
			telemetry.NewLogger(&out, slog.LevelInfo, "test").Info("m", key, canary)
			if strings.Contains(out.String(), canary) {
				t.Errorf("the line holds what is under the key %q: %s", key, out.String())
			}
		}
	}
}

func TestLoggerSaysWhatItMay(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	telemetry.NewLogger(&out, slog.LevelInfo, "vault").Info("m",
		"text", "a", "zone", "e", "number", 7, "list", []string{"b", "c"}, "cause", errors.New("d"), "none", nil)
	for _, want := range []string{
		`"service":"vault"`, `"text":"a"`, `"zone":"e"`, `"number":7`, `"list":["b","c"]`, `"cause":"d"`, `"none":null`, `"level":"INFO"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the line does not have %s: %s", want, out.String())
		}
	}
}

func TestLevelIsOneOfFour(t *testing.T) {
	t.Parallel()
	for level, ok := range map[string]bool{
		"": true, "debug": true, "info": true, "warn": true, "error": true,
		"INFO+2": false, "loud": false, "Info": false,
	} {
		err := telemetry.Config{Log: telemetry.LogConfig{Level: level}}.Check()
		if (err == nil) != ok {
			t.Errorf("Check() of level %q = %v, want an error: %v", level, err, !ok)
		}
	}
}
