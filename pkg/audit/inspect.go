package audit

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// A Difference is a difference that [Inspect] found. It contains names, so it does not belong in a log.
type Difference struct {
	// Resource is the name of the resource, or empty if the change log itself is concerned.
	Resource string
	// Ref is the ref of the row, which is empty for the own row of the resource.
	Ref string
	// Err wraps [ErrMismatch], [changelog.ErrTampered], or [kv.ErrCorrupt].
	Err error
}

// An Inspected says how much an inspection compared.
type Inspected struct {
	// Entries is the size of the change log, and Resources the number of own rows.
	Entries, Resources uint64
}

// Inspect compares everything once, as an [Auditor] does, without pauses, and continues after each
// difference. The reader must not change meanwhile, so the service is stopped. Inspect fails only if it
// could not compare.
func Inspect(ctx context.Context, r kv.Reader, changes *changelog.Log, resources Resources, report func(Difference)) (Inspected, error) {
	i := inspection{r: r, resources: resources, report: report, missing: make(map[string]bool)}
	size, err := changes.Inspect(r, func(err error) { report(Difference{Err: err}) }, func(e changelog.Entry) error {
		return errors.Join(ctx.Err(), i.present(e))
	})
	if err != nil {
		return Inspected{}, fmt.Errorf("check the change log: %w", err)
	}
	for _, space := range resources.Spaces() {
		for own, err := range kv.Each(r, space) {
			if err == nil {
				err = i.own(own)
			}
			if err := errors.Join(ctx.Err(), i.judge("", err)); err != nil {
				return Inspected{}, fmt.Errorf("compare with the change log: %w", err)
			}
		}
	}
	return Inspected{Entries: size, Resources: i.compared}, nil
}

type inspection struct {
	r         kv.Reader
	resources Resources
	report    func(Difference)
	compared  uint64
	// missing are the resources without an own row, whose entries were compared.
	missing map[string]bool
}

// present checks that the resource of an entry has a row, unless it was deleted.
func (i *inspection) present(e changelog.Entry) error {
	key, err := i.resources.Own(e.Resource)
	if err != nil || key == nil || i.missing[e.Resource] {
		return err
	}
	own, err := get(i.r, key)
	if errors.Is(err, kv.ErrCorrupt) {
		return nil // which the scan of the own rows finds
	}
	if err != nil || own != nil {
		return err
	}
	i.missing[e.Resource] = true
	return i.judge(e.Resource, Absent(i.r, e.Resource))
}

// own compares all rows of the resource of an own row.
func (i *inspection) own(own kv.Pair) error {
	if own.Value == nil {
		return nil // a group of keys without an own row
	}
	i.compared++
	stated, err := i.resources.Resource(own)
	if err != nil {
		i.report(Difference{Resource: stated.Name, Err: fmt.Errorf("%w: %w", ErrMismatch, err)})
		return nil
	}
	c := newComparison(i.resources, stated)
	c.found = func(ref string, err error) { i.report(Difference{Resource: stated.Name, Ref: ref, Err: err}) }
	_, err = c.step(i.r, own.Value, math.MaxInt)
	return i.judge(stated.Name, err)
}

// judge reports a mismatch and returns other errors.
func (i *inspection) judge(resource string, err error) error {
	if !IsMismatch(err) {
		return err
	}
	i.report(Difference{Resource: resource, Err: err})
	return nil
}
