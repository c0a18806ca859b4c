package tryout

import (
	"context"
	"fmt"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/turn"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/dryrun"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/sample"
)

// RoundTrip encrypts and signs a message that is made up with an endpoint's own keys, opens
// and verifies it again where our keys can, and returns why they cannot work, or nil. Each
// profile of the configuration makes one. Nothing of the messages is shown, and nothing is
// counted.
//
// It fails with KEY_NOT_USABLE, and as the vault does where a key is not to be had
// (VERSION_DISABLED, VAULT_UNAVAILABLE and others).
func (s *Server) RoundTrip(ctx context.Context, e endpoint.Endpoint) error {
	if !e.Encryption.Configured() {
		return nil
	}
	config, err := payload.Load(e.Encryption.Stored)
	if err != nil {
		return fmt.Errorf("load configuration: %w", err)
	}
	resolve, zero := s.liveKeys(ctx, e, config)
	defer zero()
	profiles := map[payload.Direction]*allowlistv1.Profile{payload.Request: config.Proto().GetRequest()}
	if response := config.Proto().GetResponse(); response != nil {
		profiles[payload.Response] = response
	}
	for _, direction := range []payload.Direction{payload.Request, payload.Response} {
		profile, own := profiles[direction]
		if !own {
			continue // it mirrors the request, which made its round trip
		}
		err := dryrun.RoundTrip(dryrun.Sample{
			Config: config, Direction: direction, Now: s.now(), Body: sample.Body(profile), ContentType: e.ContentType,
			Context: madeUp(e), Turn: s.turns.For(ctx, turn.Share{Workspace: e.Name.Workspace, Endpoint: e.Name.ID}),
		}, resolve)
		if err != nil {
			return err
		}
	}
	return nil
}

// madeUp returns the context of a message that is made up.
func madeUp(e endpoint.Endpoint) payload.Context {
	path, _ := e.URL.Path()
	known := payload.Context{ID: exchange.NewMessageID(), Path: path, Query: "sample=1"}
	if len(e.Methods) > 0 {
		known.Method = e.Methods[0]
	}
	return exchange.ContextOf(e, known)
}
