package secret

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/sealing"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

var errSealing = errors.New("must be workspaces/{workspace}/sealing")

// ParseSealing parses `workspaces/{workspace}/sealing` and returns the workspace.
func ParseSealing(text string) (workspace string, err error) {
	of, found := strings.CutSuffix(text, "/sealing")
	if workspace, err = resource.ParseWorkspace(of); err != nil || !found {
		return "", errSealing
	}
	return workspace, nil
}

// SealingName returns the name of a workspace's setting.
func SealingName(workspace string) string { return resource.WorkspaceName(workspace) + "/sealing" }

// Sealing is the information that callers need to seal values for a workspace.
type Sealing struct {
	Workspace string
	// Keys are the public keys of the vault, newest first.
	Keys []sealing.Key
	// Required is whether values must arrive sealed.
	Required bool
	Etag     string
	// Now is the vault's clock.
	Now time.Time
}

// A SealingChange is a change of a workspace's sealing setting.
type SealingChange struct {
	Required bool
	// Etag, if not empty, must be the current etag.
	Etag string
	// Admin is whether the caller is a super admin. Only super admins may remove the requirement.
	Admin bool
}

// A sealingSetting is the record of a workspace. A workspace without a record requires nothing.
type sealingSetting struct {
	Required bool
	Revision uint64
	// LastChange is the sequence number of the newest entry about the setting in the change log.
	LastChange uint64
	Unknown    []byte
}

func (s sealingSetting) etag() string { return strconv.FormatUint(s.Revision, 10) }

// Sealing returns the keys and the setting of a workspace.
func (s *Store) Sealing(ctx context.Context, workspace string) (Sealing, error) {
	var setting sealingSetting
	err := s.kv.View(ctx, func(r kv.Reader) (err error) {
		setting, err = loadSealing(r, workspace)
		return err
	})
	return s.sealingOf(workspace, setting), err
}

// SetSealing changes whether a workspace requires sealed values. A call that changes nothing is
// not logged. It fails with ETAG_MISMATCH, with RESTORE_PENDING, and with PERMISSION_DENIED if anyone but a super admin
// removes the requirement.
func (s *Store) SetSealing(ctx context.Context, call Call, workspace string, change SealingChange) (Sealing, error) {
	now := s.timestamp()
	var setting sealingSetting
	err := s.write(ctx, func(tx *writes) error {
		_, seen, err := s.replayed(tx, call)
		if err != nil {
			return err
		}
		if setting, err = loadSealing(tx, workspace); err != nil || seen {
			return err
		}
		if err := change.check(setting, call.Author.Reason); err != nil {
			return err
		}
		if err := restore.Held(tx); err != nil {
			return err
		}
		if change.Required != setting.Required {
			setting.Required, setting.Revision = change.Required, setting.Revision+1
			if err := s.putSealing(tx, call, workspace, setting, now); err != nil {
				return err
			}
		}
		return s.ledger.Record(tx, call.Request, SealingName(workspace))
	})
	if err != nil {
		return Sealing{}, err
	}
	return s.sealingOf(workspace, setting), nil
}

// check fails if the etag does not match, or if the caller may not make the change.
func (c SealingChange) check(before sealingSetting, reason string) error {
	if c.Etag != "" && c.Etag != before.etag() {
		return fault.New(fault.Aborted, fault.EtagMismatch,
			"the setting changed since it was read; read it again and reapply the change").With("etag", before.etag())
	}
	if c.Required || !before.Required {
		return nil
	}
	if !c.Admin {
		return fault.New(fault.PermissionDenied, fault.Denied, "only a super admin may stop requiring sealed values")
	}
	if strings.TrimSpace(reason) == "" {
		return fault.Field("reason", "must say why sealed values are no longer required")
	}
	return nil
}

// putSealing writes a setting and its entry in the change log.
func (s *Store) putSealing(tx *writes, call Call, workspace string, setting sealingSetting, at time.Time) (err error) {
	if setting.LastChange, err = tx.next(); err != nil {
		return err
	}
	if err := tx.put(sealingRow(workspace), setting.message()); err != nil {
		return writing("sealing setting", err)
	}
	e := entry{action: NotRequiredSealing, at: at, fields: []string{"required"}}
	if setting.Required {
		e.action = RequiredSealing
	}
	return s.recordOf(tx, call, workspace, SealingName(workspace), "", e)
}

// sealingOf adds the keys to a setting.
func (s *Store) sealingOf(workspace string, setting sealingSetting) Sealing {
	return Sealing{
		Workspace: workspace, Keys: s.sealing.List(), Required: setting.Required, Etag: setting.etag(), Now: s.timestamp(),
	}
}

// loadSealing returns the setting of a workspace.
func loadSealing(r kv.Reader, workspace string) (setting sealingSetting, err error) {
	var m stored.Sealing
	if _, err := get(r, sealingRow(workspace).key, &m); err != nil {
		return sealingSetting{}, read("sealing setting", err)
	}
	return sealingFrom(&m), nil
}
