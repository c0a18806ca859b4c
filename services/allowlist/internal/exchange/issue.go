package exchange

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// # Values that a partner issues
//
// A response may hold a value that becomes the next version of a secret, such as a session key. The sender
// never sees it: the response arrives encrypted, the value goes to the vault, and the sender gets the body
// without it.
//
// A sender must not choose the value either, or it could decrypt what the key protects. It has all
// ciphertexts, and can have messages encrypted. So an endpoint that issues values only encrypts requests and
// decrypts responses; no other endpoint can use the keys of its responses ([purpose]); and responses have a
// signature of the partner, unless a super admin acknowledged that they have none (package compile).
//
// A response issues values only with the exchange of its request, and only one response does. The vault
// refuses the values of earlier versions, so an old response does not bring back an old key, and the same
// response again changes nothing. A call that failed halfway can therefore be repeated.

// issues reports whether an endpoint that issues values has messages of a method and direction.
func issues(m method, d payload.Direction) bool {
	switch m {
	case encrypting:
		return d == payload.Request
	default:
		return d == payload.Response
	}
}

// issue stores the values that the partner issued in a decrypted body, and returns the body without them.
// It overwrites the body if that had any, or if it fails.
func (p *Processor) issue(ctx context.Context, l loaded, m Message, body []byte) ([]byte, error) {
	values, rest, err := l.issuing.Take(body)
	if err == nil && len(values) == 0 {
		return body, nil
	}
	defer clear(body)
	defer func() {
		for _, v := range values {
			v.Value.Zero()
		}
	}()
	if err != nil {
		return nil, err
	}
	token, err := encoding.DecodeString(m.Exchange)
	if err != nil || len(token) == 0 {
		return nil, invalid()
	}
	if err := p.spent.noteIssued(ctx, token, answer{endpoint: l.endpoint.UID, body: body}); err != nil {
		return nil, err
	}
	for _, v := range values {
		issued := vaultclient.Issued{Secret: v.Secret, Referrer: l.endpoint.Name.String(), Value: v.Value}
		if err := p.vault.Issue(ctx, issued); err != nil {
			return nil, fmt.Errorf("issue: %w", err)
		}
	}
	return rest, nil
}
