package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// A TokenSource provides the token of a call. It is called once for each attempt and must be safe
// for concurrent use. A source that fetches tokens should cache them until shortly before they
// expire.
type TokenSource interface {
	// Token returns a JWT without the word Bearer.
	Token(ctx context.Context) (string, error)
}

// A StaticToken is the same for all calls.
type StaticToken string

// Token returns the token.
func (s StaticToken) Token(context.Context) (string, error) { return string(s), nil }

// redacted replaces a token wherever one would be printed.
const redacted = "REDACTED"

// String keeps the token out of logs.
func (StaticToken) String() string { return redacted }

// GoString keeps the token out of logs.
func (StaticToken) GoString() string { return redacted }

// LogValue keeps the token out of logs.
func (StaticToken) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the token out of JSON.
func (StaticToken) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// A FileToken is the path of a file with a token. It is read for each call, so that a program that
// renews the token, such as Kubernetes, only has to write the file.
type FileToken string

// Token reads the file.
func (f FileToken) Token(context.Context) (string, error) {
	text, err := os.ReadFile(string(f))
	if err != nil {
		return "", fmt.Errorf("read token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// errToken reveals nothing about the token.
var errToken = errors.New("read token: the token is empty or contains invalid characters")

// A bearer presents the token of a source with each call.
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

// RequireTransportSecurity returns true, so that the token is never sent without TLS.
func (bearer) RequireTransportSecurity() bool { return true }
