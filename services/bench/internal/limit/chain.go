package limit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
)

// recorded is a service of package server with recorded answers.
type recorded struct{ answers answers }

// Register implements [server.Service].
func (s recorded) Register(r grpc.ServiceRegistrar) { s.answers.register(r) }

// Close implements [server.Service].
func (recorded) Close() error { return nil }

// runChain serves recorded answers behind the steps that every request to Keyward passes.
func runChain(ctx context.Context, cfg Config) (err error) {
	answers, err := readAnswers(cfg.Answers)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(cfg.Server)
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	var settings server.Config
	if err := decoder.Decode(&settings); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	t, err := telemetry.New(ctx, settings.Telemetry, Chain, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	return server.Run(ctx, settings, t, recorded{answers})
}
