package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// A TokenSource is where the token of a call comes from. It is asked once for each
// attempt and may be asked by many goroutines at a time; one that fetches tokens keeps
// them until shortly before they expire.
type TokenSource interface {
	// Token returns a JWT without the word Bearer.
	Token(ctx context.Context) (string, error)
}

// A StaticToken is the same for all calls.
type StaticToken string

// Token returns the token.
func (s StaticToken) Token(context.Context) (string, error) { return string(s), nil }

// redacted stands for a token wherever one would be printed.
const redacted = "REDACTED"

// String keeps the token out of logs.
func (StaticToken) String() string { return redacted }

// GoString keeps the token out of logs.
func (StaticToken) GoString() string { return redacted }

// LogValue keeps the token out of logs.
func (StaticToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the token out of JSON.
func (StaticToken) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A FileToken is the path of a file with a token. It is read for each call, so that
// whoever renews the token, such as Kubernetes, only has to write the file.
type FileToken string

// Token reads the file.
func (f FileToken) Token(context.Context) (string, error) {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// errToken says nothing of the token itself.
var errToken = errors.New("read token: it is empty, or not of the characters of a token")

// bearer shows the token of a source with each call.
type bearer struct{ source TokenSource }

// GetRequestMetadata returns the header that carries the token.
func (b bearer) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := b.source.Token(ctx)
	if err != nil {
		return nil, err
	}
	wrong := func(r rune) bool { return r <= ' ' || r > '~' }
	if token == "" || strings.ContainsFunc(token, wrong) {
		return nil, errToken
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

// RequireTransportSecurity keeps the token from a connection in the clear.
func (bearer) RequireTransportSecurity() bool { return true }
