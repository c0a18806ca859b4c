package server

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/telemetry"
)

// Author returns the author of a requested change for the change log. The workspace is its
// resource name, such as `workspaces/acme`. The reason comes from the request.
func Author(ctx context.Context, workspace, reason string) changelog.Author {
	p := auth.FromContext(ctx)
	return changelog.Author{
		Actor: changelog.Actor{
			Subject:        p.Subject,
			Roles:          p.Roles(strings.TrimPrefix(workspace, "workspaces/")),
			Authentication: p.Authentication,
			Address:        p.Address,
		},
		Reason:    reason,
		RequestID: telemetry.RequestID(ctx),
	}
}
