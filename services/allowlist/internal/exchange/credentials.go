package exchange

import (
	"bytes"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// # Credentials
//
// Messages to the partner may carry credentials: in headers and query parameters, and in the JSON
// body, where they are encrypted with it. Only requests carry them, and only senders get them, who
// are to send them: no one else calls Encrypt.
//
// The vault checks the host and port when the credential is bound, and does not allow a host that
// is in use to be removed; the resolver checks them again for each message. A header or query
// parameter ends as a string, which cannot be overwritten. Resolved values, and bodies with an
// inserted credential, are overwritten.

// credentialWants returns the credentials to resolve for a message.
func credentialWants(e endpoint.Endpoint, credentials []endpoint.Credential) []vaultclient.Want {
	wants := make([]vaultclient.Want, 0, len(credentials))
	for _, c := range credentials {
		wants = append(wants, vaultclient.Want{
			Secret: c.Secret, UID: e.SecretUID(c.Secret), Version: c.Version, VersionUID: e.VersionUID(c.Secret, c.Version),
			Usage: vaultclient.UsageCredential, To: e.URL.Destination(), AnyPort: e.Portless(c),
		})
	}
	return wants
}

// A carried is what the messages of a route carry in addition to their own content.
type carried struct {
	headers, query []parameter
	// values are the places of the values in the body among the wants. insertion inserts them, unless
	// their paths are invalid.
	values    []int
	insertion *payload.Insertion
	invalid   error
}

// A parameter is a header or query parameter.
type parameter struct {
	name, text string
	// want is the place of the value among the wants, or -1 if the value is text.
	want int
}

// newCarried returns what messages with these credentials carry. The credentials follow the given
// number of references among the wants. Parameters and values with other credentials are omitted.
func newCarried(e endpoint.Endpoint, credentials []endpoint.Credential, references int) carried {
	want := func(c endpoint.Credential) (at int, found bool) {
		at = slices.Index(credentials, c)
		return references + at, at >= 0
	}
	parameters := func(of []endpoint.Parameter) []parameter {
		all := make([]parameter, 0, len(of))
		for _, p := range of {
			if p.Credential == (endpoint.Credential{}) {
				all = append(all, parameter{name: p.Name, text: p.Value, want: -1})
			} else if at, found := want(p.Credential); found {
				all = append(all, parameter{name: p.Name, want: at})
			}
		}
		return all
	}
	c := carried{headers: parameters(e.Headers), query: parameters(e.Query)}
	var paths []string
	for _, v := range e.BodyValues {
		if at, found := want(v.Credential); found {
			paths, c.values = append(paths, v.Path), append(c.values, at)
		}
	}
	if len(paths) > 0 {
		c.insertion, c.invalid = payload.NewInsertion(paths)
	}
	return c
}

// parameters returns headers or query parameters with their values.
func (l loaded) parameters(all []parameter) ([]payload.Header, error) {
	if len(all) == 0 {
		return nil, nil
	}
	fields := make([]payload.Header, 0, len(all))
	for _, p := range all {
		text := p.text
		if p.want >= 0 {
			value := l.keys[p.want][0].Value.Reveal()
			if !printable(value) {
				return nil, fault.New(fault.FailedPrecondition, payload.KeyNotUsable,
					"a referenced credential cannot be sent in a header or query parameter: it is not printable ASCII")
			}
			text = string(value)
		}
		fields = append(fields, payload.Header{Name: p.name, Value: text})
	}
	return fields, nil
}

// printable reports whether a string can be the value of a header: a line break would begin
// another header.
func printable(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// insert returns a body with the credentials that it carries. The caller zeroes it, unless it is
// the given body.
func (l loaded) insert(body []byte) ([]byte, error) {
	if len(l.carried.values) == 0 || l.carried.invalid != nil {
		return body, l.carried.invalid
	}
	values := make([]sensitive.Bytes, len(l.carried.values))
	for i, at := range l.carried.values {
		values[i] = l.keys[at][0].Value
	}
	return l.carried.insertion.Insert(body, values)
}
