package earlier

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// Check compares all secrets and settings with the log, and reports each with the result.
func Check(old upgrade.Old, report func(resource string, err error)) error {
	err := eachSecret(old, func(name secret.Name, text []byte) error {
		l, err := load(old, old.Keys, name, text)
		l.zero()
		if err == nil {
			err = l.check(old.Log)
		}
		report(name.String(), err)
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare secrets: %w", err)
	}
	err = eachSetting(old, func(workspace string, text []byte) error {
		name := secret.SealingName(workspace)
		report(name, checkNewest(old.Log, name, "", text))
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare settings: %w", err)
	}
	return nil
}

// Missing reports whether the newest entry of a resource means that it exists, but it does not.
func Missing(old upgrade.Old, newest changelog.Entry) (bool, error) {
	if newest.Action == secret.Deleted || newest.Action == secret.ForceDeleted {
		return false, nil
	}
	key := kv.Key(nil)
	if name, err := secret.ParseName(newest.Resource); err == nil {
		key = kv.NewKey("secret").Text(name.Workspace).Text(name.ID)
	} else if workspace, err := resource.ParseWorkspace(newest.Scope); err == nil {
		key = kv.NewKey("sealing").Text(workspace)
	}
	_, err := old.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// check compares a secret and its bindings with the log. An entry of an earlier release states one
// record: that of a binding, if the change was one of a binding, or else that of the secret.
func (l loaded) check(r kv.Reader) error {
	name := l.Secret.Name.String()
	if err := checkNewest(r, name, l.Secret.UID, l.text); err != nil {
		return err
	}
	stated, states := make([]bool, len(l.bindings)), make(map[uint32]secret.State)
	err := eachEntry(r, name, func(e changelog.Entry) (more bool) {
		if e.UID != l.Secret.UID {
			return false
		}
		for i, text := range l.bindings {
			stated[i] = stated[i] || e.Action == secret.Bound && e.State("", text) == changelog.Matches
		}
		state, found := stateAfter[e.Action]
		if _, known := states[e.Version]; found && !known {
			states[e.Version] = state
		}
		return true
	})
	for i, found := range stated {
		if err == nil && !found {
			err = fmt.Errorf("binding of %s: %w", l.Bindings[i].Referrer, ErrDiffers)
		}
	}
	for _, v := range l.Versions {
		if err == nil && v.State != cmp.Or(states[v.Number], secret.Enabled) {
			err = fmt.Errorf("version %d: %w", v.Number, ErrDiffers)
		}
	}
	return err
}

// stateAfter is the state of a version after a change of it. An entry of an earlier release states
// no record of a version, but its action says as much.
var stateAfter = map[string]secret.State{
	secret.EnabledVersion: secret.Enabled, secret.RestoredVersion: secret.Enabled,
	secret.DisabledVersion: secret.Disabled, secret.DestroyedVersion: secret.Destroyed,
}

// checkNewest compares a resource with the newest entry that states it.
func checkNewest(r kv.Reader, name, uid string, text []byte) error {
	state := changelog.Differs
	err := eachEntry(r, name, func(e changelog.Entry) (more bool) {
		switch {
		case e.UID != uid:
			return false
		case e.Action == secret.Bound, e.Action == secret.Unbound, e.Action == secret.RefusedEqual:
			return true
		}
		state = e.State("", text)
		return false
	})
	if err == nil && state != changelog.Matches {
		err = ErrDiffers
	}
	return err
}

// eachEntry calls fn with the entries of a resource, newest first, until it returns false.
func eachEntry(r kv.Reader, name string, fn func(changelog.Entry) (more bool)) error {
	const batch = 100
	q := changelog.Query{Resource: name, Limit: batch}
	for {
		entries, err := changelog.List(r, q)
		if err != nil {
			return fmt.Errorf("read change log: %w", err)
		}
		for _, e := range entries {
			if !fn(e) {
				return nil
			}
		}
		if len(entries) < batch {
			return nil
		}
		q.Before = &entries[len(entries)-1].Sequence
	}
}
