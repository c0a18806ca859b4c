package secret

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// The actions in the change log.
const (
	Created      = "created"
	Updated      = "updated"
	Deleted      = "deleted"
	ForceDeleted = "force_deleted"
	Bound        = "bound"
	Unbound      = "unbound"

	RestoredVersion  = "version_restored"
	EnabledVersion   = "version_enabled"
	DisabledVersion  = "version_disabled"
	DestroyedVersion = "version_destroyed"
	PrunedVersion    = "version_pruned"

	SealedPurpose   = "purpose_sealed"
	ReplacedPurpose = "purpose_replaced"
	RefusedEqual    = "equal_value_refused"

	Undeleted    = "undeleted"
	Purged       = "purged"
	ValueChecked = "value_checked"

	RequiredSealing    = "sealing_required"
	NotRequiredSealing = "sealing_not_required"
)

// The fields that an entry may list as changed.
const (
	FieldDescription    = "description"
	FieldLabels         = "labels"
	FieldAllowedHosts   = "allowed_hosts"
	FieldRotationPeriod = "rotation_period"
	FieldKeepVersions   = "keep_versions"
	FieldExpireTime     = "expire_time"
	FieldShared         = "shared"
	FieldIssuedBy       = "issued_by"
	FieldValue          = "value"
	// FieldCurrentVersion changes when another version becomes current.
	FieldCurrentVersion = "current_version"
)

// maxReferrers is the maximum number of referrers in an error or an entry.
const maxReferrers = 10

// A Detail is the part of a change log entry that is specific to the vault. It has no field for a
// value.
type Detail struct {
	OldDescription  string
	NewDescription  string
	OldLabels       map[string]string
	NewLabels       map[string]string
	OldAllowedHosts []string
	NewAllowedHosts []string
	Referrers       []string

	OldRotationPeriod time.Duration
	NewRotationPeriod time.Duration

	OldKeepVersions uint32
	NewKeepVersions uint32
	OldExpires      time.Time
	NewExpires      time.Time

	OldChains  []string
	Chains     []string
	OldCost    uint64
	NewCost    uint64
	WeakReason string

	// PurgeAt is when a deleted secret is removed for good.
	PurgeAt time.Time
	// Same is whether a checked value was that of the version.
	Same bool
}

// An Event is one entry of the change log with its decoded detail.
type Event struct {
	changelog.Entry
	Detail Detail
}

// History returns a page of the changes of a name, newest first, including earlier incarnations.
// [resource.Any] means all secrets of the workspace, including deleted ones.
func (s *Store) History(ctx context.Context, name Name, p Page) (events []Event, next []byte, err error) {
	q := changelog.Query{Resource: name.String(), Limit: p.Limit + 1}
	if name.ID == resource.Any {
		q.Resource, q.Scope = "", resource.WorkspaceName(name.Workspace)
	}
	if len(p.Cursor) > 0 {
		if len(p.Cursor) != 8 {
			return nil, nil, errCursor
		}
		before := binary.BigEndian.Uint64(p.Cursor)
		q.Before = &before
	}
	var entries []changelog.Entry
	err = s.kv.View(ctx, func(r kv.Reader) error {
		entries, err = changelog.List(r, q)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	size := 0
	for i, e := range entries {
		if size += len(e.Detail); i == p.Limit || (i > 0 && size > maxPageBytes) {
			return events, binary.BigEndian.AppendUint64(nil, entries[i-1].Sequence), nil
		}
		event := Event{Entry: e}
		if event.Detail, err = parseDetail(e.Detail); err != nil {
			return nil, nil, err
		}
		events = append(events, event)
	}
	return events, nil, nil
}

// differences returns the visible fields that differ, and their old and new values.
func differences(before, after Secret) (fields []string, d Detail) {
	if before.Description != after.Description {
		fields = append(fields, FieldDescription)
		d.OldDescription, d.NewDescription = before.Description, after.Description
	}
	if !maps.Equal(before.Labels, after.Labels) {
		fields = append(fields, FieldLabels)
		d.OldLabels, d.NewLabels = before.Labels, after.Labels
	}
	if !slices.Equal(before.AllowedHosts, after.AllowedHosts) {
		fields = append(fields, FieldAllowedHosts)
		d.OldAllowedHosts, d.NewAllowedHosts = before.AllowedHosts, after.AllowedHosts
	}
	if before.RotationPeriod != after.RotationPeriod {
		fields = append(fields, FieldRotationPeriod)
		d.OldRotationPeriod, d.NewRotationPeriod = before.RotationPeriod, after.RotationPeriod
	}
	if before.KeepVersions != after.KeepVersions {
		fields = append(fields, FieldKeepVersions)
		d.OldKeepVersions, d.NewKeepVersions = before.KeepVersions, after.KeepVersions
	}
	if !before.Expires.Equal(after.Expires) {
		fields = append(fields, FieldExpireTime)
		d.OldExpires, d.NewExpires = before.Expires, after.Expires
	}
	if before.Shared != after.Shared {
		fields = append(fields, FieldShared)
	}
	if before.IssuedBy != after.IssuedBy {
		fields = append(fields, FieldIssuedBy)
		d.Referrers = []string{after.IssuedBy}
	}
	return fields, d
}

// An entry is the part of a change log entry that an operation provides.
type entry struct {
	action  string
	at      time.Time
	version uint32
	fields  []string
	detail  Detail
}

// record appends an entry to the change log, with the rows that tx wrote since the last one.
func (s *Store) record(tx *writes, call Call, sec Secret, e entry) error {
	return s.recordOf(tx, call, sec.Name.Workspace, sec.Name.String(), sec.UID, e)
}

// recordOf is record for any resource of a workspace.
func (s *Store) recordOf(tx *writes, call Call, workspace, name, uid string, e entry) error {
	detail, err := encode(e.detail.message())
	if err != nil {
		return err
	}
	err = s.log.Append(tx, changelog.Entry{
		Time: e.at, Actor: call.Author.Actor, Action: e.action,
		Scope: resource.WorkspaceName(workspace), Resource: name,
		UID: uid, Version: e.version, Fields: e.fields, Detail: detail,
		Reason: call.Author.Reason, RequestID: call.Author.RequestID,
	}, tx.take()...)
	if err != nil {
		return fmt.Errorf("append to change log: %w", err)
	}
	return nil
}
