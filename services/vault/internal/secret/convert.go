package secret

import (
	"context"
	"math"
)

// A Conversion changes the rows of a secret as another release would have written them. Tests of
// upgrades use it.
type Conversion struct {
	// Secret, Version, and Binding, if not nil, change the records.
	Secret  func(*Secret)
	Version func(*Version)
	Binding func(*Binding)
	// Add are bindings to add, without any check.
	Add []Binding
}

// Convert writes the rows of a secret again, with an entry in the log, as an upgrade does.
func (s *Store) Convert(ctx context.Context, name Name, c Conversion) error {
	return s.write(ctx, func(tx *writes) error {
		sec, err := loadIntact(tx, name)
		if err != nil {
			return err
		}
		for number := range sec.numbers(sec.Last) {
			if c.Version == nil {
				break
			}
			v, err := loadVersion(tx, sec, number)
			if err != nil {
				return err
			}
			if c.Version(&v); v.Current {
				sec.State = v.State
			}
			if err := rewriteVersion(tx, &sec, v); err != nil {
				return err
			}
		}
		bindings, _, err := bindingsOf(tx, sec, Page{Limit: math.MaxInt16})
		if err != nil {
			return err
		}
		for _, b := range bindings {
			if c.Binding == nil {
				break
			}
			if err := convertBinding(tx, b, c.Binding); err != nil {
				return err
			}
		}
		if len(c.Add) > 0 {
			if _, err := sec.trackDeferred(tx); err != nil {
				return err
			}
		}
		for _, b := range c.Add {
			b.Name, b.UID = sec.Name, sec.UID
			if err := countBinding(tx, &sec, b, true); err != nil {
				return err
			}
			if err := putBinding(tx, b); err != nil {
				return err
			}
		}
		if c.Secret != nil {
			c.Secret(&sec)
		}
		return s.touch(tx, Call{}, &sec, entry{action: Upgraded, at: s.timestamp()})
	})
}

func convertBinding(tx *writes, b Binding, convert func(*Binding)) error {
	if b.Host != "" {
		if err := countHost(tx, b, false); err != nil {
			return err
		}
	}
	convert(&b)
	if b.Host != "" {
		if err := countHost(tx, b, true); err != nil {
			return err
		}
	}
	return putBinding(tx, b)
}

// putBinding writes the row of a binding for the next entry.
func putBinding(tx *writes, b Binding) (err error) {
	if b.LastChange, err = tx.next(); err != nil {
		return err
	}
	return writing("binding", tx.put(bindingRow(b), b.message()))
}
