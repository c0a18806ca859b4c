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

// credentialWants returns the credentials to resolve for the message.
func (l loaded) credentialWants() []vaultclient.Want {
	wants := make([]vaultclient.Want, 0, len(l.credentials))
	for _, c := range l.credentials {
		wants = append(wants, vaultclient.Want{
			Secret: c.Secret, UID: l.endpoint.SecretUID(c.Secret), Version: c.Version,
			VersionUID: l.endpoint.VersionUID(c.Secret, c.Version),
			Usage:      vaultclient.UsageCredential, To: l.endpoint.URL.Destination(), AnyPort: l.endpoint.Portless(c),
		})
	}
	return wants
}

// credential returns the value of a credential, if the message carries it.
func (l loaded) credential(c endpoint.Credential) (value sensitive.Bytes, carried bool) {
	i := slices.Index(l.credentials, c)
	if i < 0 {
		return sensitive.Bytes{}, false
	}
	return l.keys[len(l.references)+i][0].Value, true
}

// parameters returns the endpoint's headers and query parameters for the message.
func (l loaded) parameters() (headers, query []payload.Header, err error) {
	if headers, err = l.carried(l.endpoint.Headers); err != nil {
		return nil, nil, err
	}
	query, err = l.carried(l.endpoint.Query)
	return headers, query, err
}

func (l loaded) carried(parameters []endpoint.Parameter) ([]payload.Header, error) {
	fields := make([]payload.Header, 0, len(parameters))
	for _, p := range parameters {
		if p.Credential == (endpoint.Credential{}) {
			fields = append(fields, payload.Header{Name: p.Name, Value: p.Value})
			continue
		}
		value, carried := l.credential(p.Credential)
		if !carried {
			continue
		}
		if !printable(value.Reveal()) {
			return nil, fault.New(fault.FailedPrecondition, payload.KeyNotUsable,
				"a referenced credential cannot be sent in a header or query parameter: it is not printable ASCII")
		}
		fields = append(fields, payload.Header{Name: p.Name, Value: string(value.Reveal())})
	}
	return fields, nil
}

// printable reports whether a string can be the value of a header: a line break would begin
// another header.
func printable(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// withBodyValues inserts the credentials into a body and encrypts it. It overwrites the body that
// it made, unless that is the result.
func (l loaded) withBodyValues(body []byte, encrypt func([]byte) (payload.Output, error)) (payload.Output, error) {
	var paths []string
	var values []sensitive.Bytes
	for _, v := range l.endpoint.BodyValues {
		if value, carried := l.credential(v.Credential); carried {
			paths, values = append(paths, v.Path), append(values, value)
		}
	}
	if len(paths) == 0 {
		return encrypt(body)
	}
	insertion, err := payload.NewInsertion(paths)
	if err != nil {
		return payload.Output{}, err
	}
	filled, err := insertion.Insert(body, values)
	if err != nil {
		return payload.Output{}, err
	}
	message, err := encrypt(filled)
	if err != nil || len(message.Body) == 0 || &message.Body[0] != &filled[0] {
		clear(filled)
	}
	return message, err
}
