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

// tick is what the time of an answer that found nothing is rounded up to, so that it does
// not tell how far the variants came.
const tick = time.Second

// A Complaint is a message that does not open, or does not verify.
type Complaint struct {
	Endpoint  endpoint.Name
	Direction payload.Direction
	Body      []byte
	Headers   payload.Headers
	// Plaintext is what it is known to hold.
	Plaintext []byte
	// Signature complains of the signature instead. Context is what it covers besides.
	Signature bool
	Context   payload.Context
	// Author goes into the change log, with the reason.
	Author changelog.Author
}

// Diagnose finds out which variant of an endpoint's configuration opens a message to a
// plaintext that is known. The endpoint may be in any state: who sets one up wants to know
// before it is in use, and what is found out says nothing about its host.
//
// It fails with RATE_LIMITED where the workspace, or one for a KEY, has asked too often, and
// refuses what can show a key or needs an exchange.
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
	// The log comes first: whatever is found out is on it.
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
		// Of a key that does nothing but sign, who has a whole signature learns no more than
		// whether it is right, whatever is varied.
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

// problem returns what is to be found out.
func (tr *Tester) problem(e endpoint.Endpoint, config *payload.Config, c Complaint) (diagnosis.Case, error) {
	pb, path := config.Proto(), "request"
	profile := pb.GetRequest()
	if c.Direction == payload.Response && pb.GetResponse() != nil {
		profile, path = pb.GetResponse(), "response"
	}
	pipeline := config.Pipeline(c.Direction)
	switch {
	case c.Signature && !pipeline.Signs():
		return diagnosis.Case{}, fault.Field("signature", "must be unset: messages of this kind are not signed by the configuration")
	case !c.Signature && !protects(profile):
		return diagnosis.Case{}, fault.Field("signature", "must be set: messages of this kind are only signed, and what is wrong with a signature is found with it")
	case pipeline.ShowsKey():
		return diagnosis.Case{}, fault.Field("name", "must be of an endpoint whose IV does not come of the key, which it would show")
	case pipeline.NeedsExchange():
		return diagnosis.Case{}, fault.Field("kind", "must be that of messages which open without what they answer")
	}
	return diagnosis.Case{
		Path: path, Profile: profile, Workspace: c.Endpoint.Workspace, Now: tr.now(),
		Body: c.Body, Headers: c.Headers, Plaintext: c.Plaintext, Signature: c.Signature,
		Context: exchange.ContextOf(e, c.Context), ContentType: cmp.Or(c.Headers["content-type"], e.ContentType),
	}, nil
}

// protects reports whether a profile does more than sign.
func protects(p *allowlistv1.Profile) bool {
	return payload.Protects(p)
}

// longest ends what takes longer than its estimate said, by the server's clock: a message of
// many values, each with a slow derivation of its own. It is less than the deadline of a
// call.
const longest = 6 * time.Second

// settled diagnoses, and lets who found nothing wait for the next tick.
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
