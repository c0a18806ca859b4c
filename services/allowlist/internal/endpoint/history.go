package endpoint

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// A LogEntry is one change of an endpoint in the change log.
type LogEntry struct {
	changelog.Entry
	OldDescription, NewDescription string
	OldLabels, NewLabels           map[string]string
	OldURL, NewURL                 string
	// Secrets are the secrets that are referred to after a change of the encryption.
	Secrets []string
}

// History returns the changes of an endpoint, or of all endpoints of a workspace if the name's ID
// is [resource.Any], newest first, for all incarnations. If before is not nil, only changes with a
// smaller sequence are returned. More reports whether older changes exist.
func (r *Registry) History(ctx context.Context, name Name, before *uint64, limit int) (history []LogEntry, more bool, err error) {
	q := changelog.Query{Resource: name.String(), Before: before, Limit: limit + 1}
	if name.ID == resource.Any {
		q.Resource, q.Scope = "", name.Parent()
	}
	var entries []changelog.Entry
	err = r.kv.View(ctx, func(reader kv.Reader) (err error) {
		entries, err = changelog.List(reader, q)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	bytes := 0
	for i, e := range entries {
		if bytes += len(e.Detail); i == limit || (i > 0 && bytes > maxPageBytes) {
			return history, true, nil
		}
		d, err := decodeDetail(e.Detail)
		if err != nil {
			return nil, false, fmt.Errorf("read change %d: %w", e.Sequence, err)
		}
		history = append(history, LogEntry{
			Entry: e, OldDescription: d.GetOldDescription(), NewDescription: d.GetNewDescription(),
			OldLabels: d.GetOldLabels(), NewLabels: d.GetNewLabels(), OldURL: d.GetOldUrl(), NewURL: d.GetNewUrl(), Secrets: d.GetSecrets(),
		})
	}
	return history, false, nil
}
