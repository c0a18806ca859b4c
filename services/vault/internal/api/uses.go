package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// The errors of malformed counts.
var (
	errElsewhere = errors.New("must be in the parent")
	errTime      = errors.New("must be a time from the year 1 to 9999")
)

// ReportSecretUses counts the calling workload's uses of the secrets to which it is bound.
func (s *Server) ReportSecretUses(ctx context.Context, req *vaultv1.ReportSecretUsesRequest) (*vaultv1.ReportSecretUsesResponse, error) {
	workspace, err := resource.ParseWorkspace(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	request, err := s.ledger.Request(holder(ctx), vaultv1.VaultService_ReportSecretUses_FullMethodName, req.GetReportId(), req)
	if err != nil {
		return nil, err
	}
	counts, err := countsFromProto(workspace, req.GetUses())
	if err != nil {
		return nil, err
	}
	if err := s.secrets.Report(ctx, request, holder(ctx), counts); err != nil {
		return nil, err
	}
	return &vaultv1.ReportSecretUsesResponse{}, nil
}

// countsFromProto refuses secrets of another workspace, because authorization checked the caller's
// role in the parent.
func countsFromProto(workspace string, uses []*vaultv1.SecretUse) ([]secret.Count, error) {
	counts := make([]secret.Count, len(uses))
	for i, use := range uses {
		name, err := secret.ParseName(use.GetSecret())
		if err == nil && name.Workspace != workspace {
			err = errElsewhere
		}
		if err != nil {
			return nil, at(fmt.Sprintf("uses[%d].secret", i), err)
		}
		var last time.Time
		if used := use.GetLastUseTime(); used != nil {
			if used.CheckValid() != nil {
				return nil, at(fmt.Sprintf("uses[%d].last_use_time", i), errTime)
			}
			last = used.AsTime()
		}
		counts[i] = secret.Count{
			Name: name, UID: use.GetUid(), Version: use.GetVersion(),
			Uses: secret.Uses{Used: use.GetUsed(), Failed: use.GetFailed(), Opened: use.GetOpened(), Last: last},
		}
	}
	return counts, nil
}
