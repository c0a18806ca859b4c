package kek

import (
	"context"

	"github.com/tink-crypto/tink-go/v2/tink"
	"google.golang.org/api/option"
)

// OpenGoogle is Open for a key in Google Cloud KMS, with more options for its client.
func OpenGoogle(ctx context.Context, uri string, options ...option.ClientOption) (tink.AEADWithContext, error) {
	p, err := parse(uri)
	if err != nil {
		return nil, err
	}
	key := p.(googleKey)
	key.options = append(key.options, options...)
	return open(ctx, uri, key)
}
