package tryout

import (
	"context"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

// A Test is a sample to test a configuration with.
type Test struct {
	// Endpoint may have the ID [resource.Any] if there is a draft, for an endpoint that does not
	// exist.
	Endpoint endpoint.Name
	// Draft is the configuration to test, or nil for the endpoint's configuration.
	Draft     *allowlistv1.Encryption
	Direction payload.Direction
	Body      []byte
	Context   payload.Context
	// Live uses the endpoint's own keys. Author is then recorded in the change log with the
	// reason, which is required.
	Live   bool
	Author changelog.Author
}

// A Tested is the message that would be sent, and the steps that produced it.
type Tested struct {
	Result
	// Query are the query parameters of the endpoint and of the signature.
	Query []payload.Header
	// Config is the tested configuration.
	Config *payload.Config
}

// anyContent is the content type of samples without an endpoint.
const anyContent = "application/octet-stream"

// Test tests a configuration. The output includes the parameters that an endpoint adds to its
// messages, with the word REDACTED in place of credentials.
func (tr *Tester) Test(ctx context.Context, t Test) (Tested, error) {
	if err := t.check(); err != nil {
		return Tested{}, err
	}
	e, config, err := tr.configuration(ctx, t)
	if err != nil {
		return Tested{}, err
	}
	body, err := filled(e, t)
	if err != nil {
		return Tested{}, err
	}
	sample := Sample{
		Config: config, Direction: t.Direction, Now: tr.now(), Body: body, ContentType: e.ContentType, Context: t.Context,
		Turn: tr.turns.For(ctx, slowwork.Share{Workspace: t.Endpoint.Workspace, Endpoint: t.Endpoint.ID}),
	}
	if t.Endpoint.ID != resource.Any {
		sample.Context = exchange.ContextOf(e, t.Context)
	} else {
		sample.ContentType = anyContent // a signature may cover it
	}
	run := DryRun
	if t.Live {
		run = func(sample Sample) (Result, error) { return tr.live(ctx, e, sample, t.Author) }
	}
	result, err := run(sample)
	if err != nil {
		return Tested{}, payload.Explained(err)
	}
	result.Headers = merged(t.redacted(e.Headers), result.Headers)
	if result.ContentType == "" {
		result.ContentType = e.ContentType
	}
	return Tested{Result: result, Query: merged(t.redacted(e.Query), result.Query), Config: config}, nil
}

// check refuses combinations of fields that are not allowed.
func (t Test) check() error {
	switch {
	case t.Draft == nil && t.Endpoint.ID == resource.Any:
		return fault.Field("encryption", "is required without an endpoint")
	case !t.Live:
		return nil
	case t.Draft != nil:
		return fault.Field("live_keys", "must be unset with a draft configuration")
	case t.Author.Reason == "":
		return fault.Field("reason", "is required with live keys")
	}
	return nil
}

// configuration returns the configuration to test, and its endpoint if there is one.
func (tr *Tester) configuration(ctx context.Context, t Test) (endpoint.Endpoint, *payload.Config, error) {
	if t.Draft == nil {
		return tr.saved(ctx, t.Endpoint)
	}
	config, err := tr.draft(t.Draft, t.Endpoint.Workspace)
	if err != nil || t.Endpoint.ID == resource.Any {
		return endpoint.Endpoint{}, config, err
	}
	e, err := tr.endpoints.Get(ctx, t.Endpoint)
	return e, config, err
}

// live tests a sample with the endpoint's own keys, within their quotas, after recording that in
// the change log. It refuses samples whose output would reveal information about the keys.
func (tr *Tester) live(ctx context.Context, e endpoint.Endpoint, sample Sample, author changelog.Author) (Result, error) {
	pipeline := sample.Config.Pipeline(sample.Direction)
	if pipeline.IsOracle() {
		return Result{}, fault.Field("live_keys", "must be unset: live tests are allowed only for unsigned messages that are encrypted with a random IV; test with throwaway keys")
	}
	err := tr.endpoints.Try(ctx, endpoint.Trial{
		Endpoint: e, Action: endpoint.ActionTested, Author: author,
		Subjects: keysOf(e, pipeline.EncryptReferences(), pipeline.DecryptReferences()),
	})
	if err != nil {
		return Result{}, err
	}
	sample.Nonces = tr.nonces.For(ctx, pipeline.EncryptReferences(), e.SecretUID)
	resolve, zero := tr.liveKeys(ctx, e, sample.Config)
	defer zero()
	return LiveDryRun(sample, resolve)
}

// filled returns the body of a request with placeholders in place of its credentials.
func filled(e endpoint.Endpoint, t Test) ([]byte, error) {
	if t.Direction != payload.Request || len(e.BodyValues) == 0 {
		return t.Body, nil
	}
	var paths []string
	var values []sensitive.Bytes
	for _, v := range e.BodyValues {
		paths, values = append(paths, v.Path), append(values, sensitive.New([]byte(sensitive.Redacted)))
	}
	insertion, err := payload.NewInsertion(paths)
	if err != nil {
		return nil, err
	}
	return insertion.Insert(t.Body, values)
}

// redacted returns an endpoint's headers or query parameters without credentials. Only requests
// have these.
func (t Test) redacted(parameters []endpoint.Parameter) []payload.Header {
	fields := make([]payload.Header, 0, len(parameters))
	for _, p := range parameters {
		switch {
		case p.Credential == endpoint.Credential{}:
			fields = append(fields, payload.Header{Name: p.Name, Value: p.Value})
		case t.Direction == payload.Request:
			fields = append(fields, payload.Header{Name: p.Name, Value: sensitive.Redacted})
		}
	}
	return fields
}

// merged returns an endpoint's own headers or query parameters and those of the message. The latter
// override the former.
func merged(own, message []payload.Header) []payload.Header {
	headers := slices.DeleteFunc(own, func(h payload.Header) bool {
		return slices.ContainsFunc(message, func(m payload.Header) bool { return strings.EqualFold(m.Name, h.Name) })
	})
	return append(headers, message...)
}
