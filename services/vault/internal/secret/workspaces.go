package secret

import (
	"context"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/workspace"
)

// Workspaces returns a page of the workspaces within reach with the numbers of their secrets, and
// the cursor of the next page, which is nil only at the end.
func (s *Store) Workspaces(ctx context.Context, reach workspace.Reach, p Page) (found []workspace.Workspace, next []byte, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) (err error) {
		// Each secret has exactly one such key, and its value is empty.
		found, next, err = workspace.List(r, kv.NewKey(spaceSecret), reach, p.Cursor, p.Limit)
		return err
	})
	return found, next, err
}
