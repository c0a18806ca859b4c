package server

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/telemetry"
)

// Author returns who makes the change that a request asks for, as the change log
// keeps it. The workspace is the resource name of the one the change is in, such as
// `workspaces/acme`; the reason is what the request gives.
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
