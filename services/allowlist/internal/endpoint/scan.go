package endpoint

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// ends reports whether an error would also affect all further calls.
func ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || vaultclient.Unavailable(err)
}

// eachKey calls fn for each key of a space, outside of any transaction. It continues after an
// error, unless all further calls would fail, too, and returns all errors.
func (r *Registry) eachKey(ctx context.Context, space kv.Key, fn func(key []byte) error) error {
	var failures []error
	start := []byte(space)
	for {
		var keys [][]byte
		err := r.kv.View(ctx, func(reader kv.Reader) error {
			keys = nil
			for pair, err := range reader.Scan(kv.Range{Start: start, End: kv.After(space), Limit: batch}) {
				if err != nil {
					return fmt.Errorf("scan: %w", err)
				}
				keys = append(keys, pair.Key)
			}
			return nil
		})
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		for _, key := range keys {
			err := fn(key)
			if ends(ctx, err) {
				return err
			}
			if err != nil {
				failures = append(failures, err)
			}
		}
		if len(keys) < batch {
			return errors.Join(failures...)
		}
		start = append(keys[len(keys)-1], 0)
	}
}
