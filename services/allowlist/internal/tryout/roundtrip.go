package tryout

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

// ReasonSample means that the configuration does not encrypt any available sample.
const ReasonSample fault.Reason = "SAMPLE_NOT_ENCRYPTABLE"

// RoundTrip encrypts and signs a message with an endpoint's own keys, decrypts and verifies it
// if our keys can, and returns why that fails, or nil. Each profile of the configuration
// processes one message. Its body is generated or, if the generated one does not fit, given by
// the caller. The messages are never revealed, and nothing is counted.
//
// RoundTrip fails with KEY_NOT_USABLE, which names the secret and the cause, with
// SAMPLE_NOT_ENCRYPTABLE if neither body fits, and like the vault does if a key is not available
// (VERSION_DISABLED, VAULT_UNAVAILABLE, and others).
func (tr *Tester) RoundTrip(ctx context.Context, e endpoint.Endpoint, given []byte) error {
	if !e.Encryption.Configured() {
		return nil
	}
	config, err := payload.Load(e.Encryption.Stored)
	if err != nil {
		return fmt.Errorf("load configuration: %w", err)
	}
	resolve, zero := tr.liveKeys(ctx, e, config)
	defer zero()
	profiles := map[payload.Direction]*allowlistv1.Profile{payload.Request: config.Proto().GetRequest()}
	if response := config.Proto().GetResponse(); response != nil {
		profiles[payload.Response] = response
	}
	for _, direction := range []payload.Direction{payload.Request, payload.Response} {
		profile, own := profiles[direction]
		if !own {
			continue // it mirrors the request, which has made its round trip
		}
		made := Sample{
			Config: config, Direction: direction, Now: tr.now(), Body: SampleBody(profile), ContentType: e.ContentType,
			Context: sampleContext(e, profile), Turn: tr.turns.For(ctx, slowwork.Share{Workspace: e.Name.Workspace, Endpoint: e.Name.ID}),
		}
		if err := roundTrip(made, given, resolve); err != nil {
			return payload.Explained(err)
		}
	}
	return nil
}

// roundTrip makes the round trip of the generated sample or, if that does not fit, of the given
// body.
func roundTrip(made Sample, given []byte, resolve func([]payload.Reference) (payload.Keys, error)) error {
	err := RoundTrip(made, resolve)
	if unfit, is := errors.AsType[*SampleError](err); !is {
		return err
	} else if len(given) == 0 {
		return notEncryptable("A generated body does not fit the configuration (" + unfit.Error() + "). Send a sample of your own.")
	}
	made.Body = given
	err = RoundTrip(made, resolve)
	if unfit, is := errors.AsType[*SampleError](err); is {
		return notEncryptable("The configuration does not encrypt the sample: " + unfit.Error() + ".")
	}
	return err
}

func notEncryptable(cause string) error {
	return fault.New(fault.FailedPrecondition, ReasonSample, "the configuration does not encrypt the sample, or requires you to send one").
		With("field", "sample").With("cause", cause)
}

// sampleContext returns the context of a generated message.
func sampleContext(e endpoint.Endpoint, profile *allowlistv1.Profile) payload.Context {
	known := SampleContext(profile)
	known.ID = exchange.NewMessageID()
	known.Path, _ = e.URL.Path()
	if len(e.Methods) > 0 {
		known.Method = e.Methods[0]
	}
	return exchange.ContextOf(e, known)
}
