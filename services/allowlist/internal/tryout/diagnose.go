package tryout

import (
	"cmp"
	"context"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/diagnosis"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// tick is the unit to which the time of an unsuccessful answer is rounded up, so that it does
// not reveal how far the variants came.
const tick = time.Second

// A Complaint is a message that fails to decrypt or to verify.
type Complaint struct {
	Endpoint  endpoint.Name
	Direction payload.Direction
	Body      []byte
	Headers   payload.Headers
	// Plaintext is the known plaintext of the message.
	Plaintext []byte
	// Signature diagnoses the signature instead. Context is the other data that it covers.
	Signature bool
	Context   payload.Context
	// Author is recorded in the change log, with the reason.
	Author changelog.Author
}

// Diagnose finds the variant of an endpoint's configuration that decrypts a message to a known
// plaintext. The endpoint may be in any state: owners need a diagnosis before they switch an
// endpoint on, and the answer reveals nothing about its host.
//
// It fails with RATE_LIMITED after too many calls for the workspace or for one of its KEYs. It
// refuses configurations that could reveal a key or need an exchange.
func (tr *Tester) Diagnose(ctx context.Context, c Complaint) (diagnosis.Answer, error) {
	e, config, err := tr.saved(ctx, c.Endpoint)
	if err != nil {
		return diagnosis.Answer{}, err
	}
	problem, err := tr.problem(e, config, c)
	if err != nil {
		return diagnosis.Answer{}, err
	}
	refs := config.Pipeline(c.Direction).DecryptReferences()
	if c.Signature {
		refs = config.Pipeline(c.Direction).VerifyReferences()
	}
	// Write the log first, so that every answer is on it.
	trial := endpoint.Trial{
		Endpoint: e, Action: endpoint.ActionDiagnosed, Author: c.Author,
		Subjects: append(keysOf(e, refs), c.Endpoint.Parent()),
	}
	if err := tr.endpoints.Try(ctx, trial); err != nil {
		return diagnosis.Answer{}, err
	}
	keys, err := tr.resolve(ctx, e, config, refs)
	if err != nil {
		return diagnosis.Answer{}, err
	}
	defer vaultclient.Zero(keys...)
	if hopeless := config.Pipeline(c.Direction).Hopeless(payloadKeys(keys)); len(hopeless) > 0 {
		return diagnosis.Answer{Unusable: hopeless}, nil
	}
	problem.Turn = func() slowwork.Turn {
		return tr.turns.For(ctx, slowwork.Share{Workspace: c.Endpoint.Workspace, Endpoint: c.Endpoint.ID})
	}
	problem.Sealed = make(map[string]bool)
	for i, ref := range refs {
		// If a key only signs, a caller with a whole signature learns only whether it is right,
		// whatever setting varies.
		problem.Sealed[ref.Secret] = keys[i][0].Sealed && (!c.Signature || !config.OnlySigns(ref.Secret))
	}
	problem.Key = func(other payload.Reference) []payload.Key {
		for i, ref := range refs {
			if ref.Secret == other.Secret && ref.Version == other.Version {
				return versionsOf(keys[i])
			}
		}
		return nil
	}
	end := problem.Now.Add(longest)
	problem.Late = func() bool { return tr.now().After(end) }
	return settled(ctx, problem)
}

// problem returns the case to diagnose.
func (tr *Tester) problem(e endpoint.Endpoint, config *payload.Config, c Complaint) (diagnosis.Case, error) {
	pb, path := config.Proto(), "request"
	profile := pb.GetRequest()
	if c.Direction == payload.Response && pb.GetResponse() != nil {
		profile, path = pb.GetResponse(), "response"
	}
	pipeline := config.Pipeline(c.Direction)
	switch {
	case c.Signature && !pipeline.Signs():
		return diagnosis.Case{}, fault.Field("signature", "must be unset: the configuration does not sign messages of this kind")
	case !c.Signature && !protects(profile):
		return diagnosis.Case{}, fault.Field("signature", "must be set: the configuration only signs messages of this kind")
	case pipeline.ShowsKey():
		return diagnosis.Case{}, fault.Field("name", "must be an endpoint whose IV is not derived from the key: a diagnosis would reveal the key")
	case pipeline.NeedsExchange():
		return diagnosis.Case{}, fault.Field("kind", "must be a kind of message that decrypts without its request")
	}
	return diagnosis.Case{
		Path: path, Profile: profile, Workspace: c.Endpoint.Workspace, Now: tr.now(),
		Body: c.Body, Headers: c.Headers, Plaintext: c.Plaintext, Signature: c.Signature,
		Context: exchange.ContextOf(e, c.Context), ContentType: cmp.Or(c.Headers["content-type"], e.ContentType),
	}, nil
}

// protects reports whether a profile does more than sign messages.
func protects(p *allowlistv1.Profile) bool {
	return payload.Protects(p)
}

// longest ends a diagnosis that exceeds its estimate by the server's clock, such as a message
// with many values, each with its own slow derivation. It is less than the deadline of a call.
const longest = 6 * time.Second

// settled runs the diagnosis. If it finds nothing, it waits for the next tick.
func settled(ctx context.Context, problem diagnosis.Case) (diagnosis.Answer, error) {
	begun := time.Now()
	answer := diagnosis.Find(ctx, problem)
	if answer.Found {
		return answer, nil
	}
	wait := time.NewTimer(tick - time.Since(begun)%tick)
	defer wait.Stop()
	select {
	case <-wait.C:
		return answer, nil
	case <-ctx.Done():
		return diagnosis.Answer{}, ctx.Err()
	}
}
