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
// What goes to the partner may carry credentials: in headers and query parameters,
// and inside the JSON body, from where they go on into the encryption. They are of
// requests alone, and for senders, who are to send them: nobody else calls Encrypt.
//
// The vault has checked host and port when the credential was bound, and does not let go
// of those in use; the resolver checks them again with each message. A header or query
// parameter is text in the end, which cannot be overwritten; what is resolved, and the
// body that a credential was put into, are.

// credentialWants returns what to resolve for the credentials that the message carries.
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

// parameters returns the endpoint's headers and query parameters as the message
// carries them.
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
				"a referenced credential cannot stand in a header or query parameter: it is not printable ASCII")
		}
		fields = append(fields, payload.Header{Name: p.Name, Value: string(value.Reveal())})
	}
	return fields, nil
}

// printable reports whether a text can be the value of a header: a line break in one
// would begin another.
func printable(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// withBodyValues has a body encrypted, with the credentials in it that it is to carry,
// and overwrites what it made for that, unless it is the result.
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
