package secret

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// Bindings returns a page of the bindings of a secret, ordered by holder and operation.
// [resource.Any] means all secrets of the workspace, in the order of their names. A page of those
// may be shorter than its limit. Next is nil only at the end.
func (s *Store) Bindings(ctx context.Context, name Name, p Page) (bindings []Binding, next []byte, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) (err error) {
		if name.ID == resource.Any {
			bindings, next, err = bindingsOfAll(r, name.Workspace, p)
			return err
		}
		sec, err := s.loadSecret(r, name)
		if err != nil {
			return err
		}
		bindings, next, err = bindingsOf(r, sec, p)
		return err
	})
	return bindings, next, err
}

// bindingsOf returns a page of the bindings of one secret.
func bindingsOf(r kv.Reader, sec Secret, p Page) (bindings []Binding, next []byte, err error) {
	prefix := bindingsKey(sec.Name, sec.UID)
	pairs, next, err := p.read(r, prefix, false)
	if err != nil {
		return nil, nil, fmt.Errorf("read bindings: %w", err)
	}
	bindings = make([]Binding, len(pairs))
	for i, pair := range pairs {
		bindings[i] = Binding{Name: sec.Name, UID: sec.UID}
		if err := bindings[i].read(prefix, pair); err != nil {
			return nil, nil, fmt.Errorf("read binding: %w", err)
		}
	}
	return bindings, next, nil
}

// read completes a binding whose secret is set. Prefix is the key prefix of the secret's bindings.
func (b *Binding) read(prefix kv.Key, pair kv.Pair) (err error) {
	var rest []byte
	if b.Holder, rest, err = kv.CutText(pair.Key[len(prefix):]); err != nil {
		return err
	}
	if b.Operation, _, err = kv.CutText(rest); err != nil {
		return err
	}
	return b.parse(pair.Value)
}

// bindingsOfAll returns a page of the bindings of a workspace's secrets. Its cursor consists of
// the ID of the last secret and the cursor in the bindings of that secret.
func bindingsOfAll(r kv.Reader, workspace string, p Page) (bindings []Binding, next []byte, err error) {
	prefix := secretsKey(workspace)
	all := allSecrets(prefix, maxExamined+1)
	var within []byte
	if len(p.Cursor) > 0 {
		id, rest, err := kv.CutText(p.Cursor)
		if err != nil {
			return nil, nil, fmt.Errorf("read cursor: %w", err)
		}
		all.Start, within = prefix.Text(id), rest
	}
	examined := 0
	for pair, err := range r.Scan(all) {
		if err != nil {
			return nil, nil, fmt.Errorf("read secrets: %w", err)
		}
		id, err := lastText(pair.Key, prefix)
		if err != nil {
			return nil, nil, fmt.Errorf("read secret: %w", err)
		}
		at := kv.Key(nil).Text(id)
		if examined++; examined > maxExamined || len(bindings) == p.Limit {
			return bindings, at, nil
		}
		if pair.Value == nil {
			continue // deleted
		}
		sec, err := parseSecret(Name{Workspace: workspace, ID: id}, pair.Value)
		if err != nil {
			return nil, nil, err
		}
		if sec.deleted() {
			continue
		}
		more, rest, err := bindingsOf(r, sec, Page{Cursor: within, Limit: p.Limit - len(bindings)})
		if err != nil {
			return nil, nil, err
		}
		bindings, within = append(bindings, more...), nil
		if rest != nil {
			return bindings, append(at, rest...), nil
		}
	}
	return bindings, nil, nil
}
