package exchange

import (
	"fmt"
	"slices"

	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// maxPrepared is the number of endpoints that are kept prepared.
const maxPrepared = 1024

// A method is what a caller asks for.
type method int

const (
	encrypting method = iota
	decrypting
	verifying
	methods = int(verifying) + 1
)

// operation returns the operation of an exchange that a method begins, or does not end.
func (m method) operation() operation {
	if m == encrypting {
		return sealing
	}
	return opening
}

// references returns the references that a method needs.
func (m method) references(p *payload.Pipeline) []payload.Reference {
	switch m {
	case encrypting:
		return p.EncryptReferences()
	case decrypting:
		return p.DecryptReferences()
	default:
		return p.VerifyReferences()
	}
}

// A prepared is an endpoint with everything that its messages have in common. It is computed once
// for each stored state of the endpoint (see [endpoint.Derived]), and is immutable.
type prepared struct {
	endpoint endpoint.Endpoint
	// routes say what the messages of each method and direction need. They are nil if the endpoint is
	// not in use or has no configuration.
	routes [methods][2]*route
	// context completes the context of messages.
	context payload.Context
	// json reports whether plaintexts are JSON.
	json bool
}

// A route is what all messages of one method and direction need.
type route struct {
	pipeline   *payload.Pipeline
	references []payload.Reference
	// wants are the secrets to resolve: those of the references, followed by those of the
	// credentials.
	wants []vaultclient.Want
	// issuing takes the values that the partner issues from decrypted responses. It is nil if the partner
	// issues nothing, and for all other messages.
	issuing *payload.Issuing
	// carried are the endpoint's headers, query parameters, and values in the body.
	carried carried
}

// prepare computes the prepared form of an endpoint.
func prepare(e endpoint.Endpoint) (*prepared, error) {
	p := &prepared{endpoint: e, context: contextOf(e), json: payload.IsJSON(e.ContentType)}
	if e.State != endpoint.Active || !e.Encryption.Configured() {
		return p, nil
	}
	config, err := payload.Load(e.Encryption.Stored)
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	for m := range p.routes {
		for _, direction := range []payload.Direction{payload.Request, payload.Response} {
			if config.Issuing() != nil && !issues(method(m), direction) {
				continue
			}
			p.routes[m][direction] = newRoute(e, config, method(m), direction)
		}
	}
	return p, nil
}

func newRoute(e endpoint.Endpoint, config *payload.Config, m method, d payload.Direction) *route {
	r := &route{pipeline: config.Pipeline(d)}
	r.references = m.references(r.pipeline)
	for _, ref := range r.references {
		want := vaultclient.Want{
			Secret: ref.Secret, UID: e.SecretUID(ref.Secret), Version: ref.Version, VersionUID: e.VersionUID(ref.Secret, ref.Version),
			Usage: usageOf(e, ref), Incoming: m != encrypting, Purpose: ref.Purpose.Digest, Seal: true,
		}
		if ref.Previous { // has no effect on a reference with a version
			want.Grace = config.Grace()
		}
		r.wants = append(r.wants, want)
	}
	if m == decrypting {
		r.issuing = config.Issuing()
	}
	var credentials []endpoint.Credential
	if m == encrypting && d == payload.Request {
		credentials = e.Credentials()
		r.wants = append(r.wants, credentialWants(e, credentials)...)
	}
	r.carried = newCarried(e, credentials, len(r.references))
	return r
}

// usageOf returns the usage of a reference's secret.
func usageOf(e endpoint.Endpoint, ref payload.Reference) vaultclient.Usage {
	switch ref.Usage {
	case payload.ParameterUsage:
		return vaultclient.UsageParameter
	case payload.ExposedKeyUsage:
		if e.Exposes(ref.Secret) {
			return vaultclient.UsageExposedKey
		}
	}
	return vaultclient.UsageKey
}

// wantsWith returns the wants of a message. For a reference that follows the current version, a
// version that the exchange pinned takes precedence.
func (r *route) wantsWith(versions pinned) []vaultclient.Want {
	if len(versions) == 0 {
		return r.wants
	}
	wants := slices.Clone(r.wants)
	for i := range r.references {
		if wants[i].Version == 0 {
			wants[i].Version = versions.of(wants[i].UID)
		}
	}
	return wants
}
