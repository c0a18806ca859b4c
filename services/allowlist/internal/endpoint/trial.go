package endpoint

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// Note puts on the change log that something was done with an endpoint which changes
// nothing, in the state that was read before. It fails with CONTENTION if the endpoint is
// in another state by now.
func (r *Registry) Note(ctx context.Context, e Endpoint, action string, author changelog.Author) error {
	return r.kv.Update(ctx, func(tx kv.Tx) error {
		now, err := read(tx, e.Name)
		if err != nil {
			return err
		}
		if now.UID != e.UID || now.Revision != e.Revision {
			return contention()
		}
		state, err := tx.Get(endpointKey(e.Name))
		if err != nil {
			return fmt.Errorf("read endpoint: %w", err)
		}
		note, err := entry(action, now, now, author)
		if err != nil {
			return err
		}
		note.Time = r.now()
		return r.log.Append(tx, note, state)
	})
}
