package upgrade

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

var (
	// ErrDiffers means that resources differ from the change log.
	ErrDiffers = errors.New("the store differs from its change log")
	// ErrRolledBack means that the log does not extend a witnessed checkpoint.
	ErrRolledBack = errors.New("the store is older than the witnessed checkpoint, or another one")
)

var errMissing = errors.New("the change log has it, but the store does not")

// A difference is a resource that differs from the log.
type difference struct {
	resource string
	cause    error
}

// differences is the error of all differences. It names resources, and never values.
type differences []difference

// Error implements error.
func (d differences) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%v in %d resources:", ErrDiffers, len(d))
	for _, one := range d {
		fmt.Fprintf(&text, "\n  %s: %v", one.resource, one.cause)
	}
	return text.String()
}

// Unwrap implements the interface of package errors.
func (differences) Unwrap() error { return ErrDiffers }

// compare compares the resources with the log, and the log with the resources.
func (u *upgrade) compare() error {
	var found differences
	progress := u.step("compare with the change log", u.result.Resources+u.result.Entries)
	err := u.store.View(u.ctx, func(log kv.Reader) error {
		u.old.Log = log
		err := u.Check(u.old, func(resource string, err error) {
			progress.done()
			if err != nil {
				found = append(found, difference{resource, err})
			}
		})
		if err != nil {
			return err
		}
		return u.findMissing(func(resource string) { found = append(found, difference{resource, errMissing}) }, progress)
	})
	u.old.Log = nil // ends with the view
	if err == nil && len(found) > 0 {
		return found
	}
	return err
}

// page is the number of entries that are read at a time.
const page = 256

// findMissing reports the resources that the log has, but the store does not.
func (u *upgrade) findMissing(report func(resource string), progress *step) error {
	for next := uint64(0); next < u.result.Entries; {
		entries, _, err := changelog.Follow(u.old.Log, "", next, page)
		if err != nil {
			return err
		}
		for _, e := range entries {
			progress.done()
			newest, err := changelog.List(u.old.Log, changelog.Query{Resource: e.Resource, Limit: 1})
			if err != nil {
				return err
			}
			if newest[0].Sequence != e.Sequence {
				continue
			}
			missing, err := u.Missing(u.old, e)
			if err != nil {
				return err
			}
			if missing {
				report(e.Resource)
			}
		}
		next += uint64(len(entries))
		if err := u.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}
