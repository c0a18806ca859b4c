package endpoint

import (
	"context"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/workspace"
)

// Workspaces returns a page of the workspaces within reach with the numbers of their endpoints,
// and the cursor of the next page, which is nil only for the last page.
func (r *Registry) Workspaces(ctx context.Context, reach workspace.Reach, cursor []byte, limit int) (found []workspace.Workspace, next []byte, err error) {
	err = r.kv.View(ctx, func(reader kv.Reader) (err error) {
		// There is one such key for each endpoint, and its value need not be read.
		found, next, err = workspace.List(reader, allEndpoints(), reach, cursor, limit)
		return err
	})
	return found, next, err
}
