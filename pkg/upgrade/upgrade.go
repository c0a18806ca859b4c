package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// actor is the author of the entries.
var actor = changelog.Actor{Subject: "operator", Authentication: "command"}

// A Service describes the first stored form of a service.
type Service struct {
	// Name is the purpose of the keyring, and the origin of the log.
	Name string
	// Resources are the spaces of the resources. Check and Convert read them.
	Resources []string
	// Replaced are other spaces that Convert reads, or whose rows follow from others.
	Replaced []string
	// Copied are the spaces whose rows stay as they are.
	Copied []string

	// Check compares each resource with the log, and reports those that differ.
	Check func(old Old, report func(resource string, err error)) error
	// Missing reports whether a resource should exist after its newest entry, but does not.
	Missing func(old Old, newest changelog.Entry) (bool, error)
	// Convert yields the resources and other rows in the present form. The first entry gets the
	// sequence number next.
	Convert func(old Old, next uint64, yield func(Converted) error) error
	// Rows describes the new rows.
	Rows audit.Resources
}

// An Old is a store of the first form.
type Old struct {
	kv.Reader

	// Log reads the log.
	Log  kv.Reader
	Keys *keyring.Keyring
}

// Converted is rows in the present form.
type Converted struct {
	// Rows are all rows.
	Rows []kv.Pair
	// Entry is the entry about the resource. It is zero for other rows.
	Entry changelog.Entry
	// Listed are the rows that the entries list. There is one entry for each element.
	Listed [][]changelog.Row
}

// Options are the options of an upgrade.
type Options struct {
	// Store is the path of the data file. Required.
	Store string
	// Providers are those of the key-encryption key. Required.
	Providers keyring.Providers
	// Witness is a checkpoint of the log that another program has seen, if any. A log that does not
	// extend it is not upgraded.
	Witness string
	// Progress is called with the steps, at most once a second during one. Optional.
	Progress func(Progress)
}

// A Progress says how far an upgrade is.
type Progress struct {
	// Step says what happens.
	Step string
	// Done and Total count the rows of the step.
	Done, Total uint64
}

// A Result says what an upgrade did.
type Result struct {
	// Upgraded is false if there was nothing to do: the store has the present form, or does not exist.
	Upgraded bool
	// Resources is the number of resources. Entries is the number of entries in the log before.
	Resources, Entries uint64
	// Kept is the path of the old file.
	Kept string
}

// Run upgrades a store. A store of the present form, even in use, and one that does not exist, stays as
// it is.
//
// The error wraps [ErrDiffers] with the names of the resources that differ from the log, and
// [boltkv.ErrLocked] if a program uses the store.
func Run(ctx context.Context, s Service, o Options) (Result, error) {
	if _, err := os.Stat(o.Store); errors.Is(err, fs.ErrNotExist) || boltkv.Upgraded(o.Store) {
		return Result{}, nil
	}
	u := upgrade{Service: s, Options: o, ctx: ctx, result: Result{Upgraded: true, Kept: o.Store + boltkv.KeptSuffix}}
	err := boltkv.Upgrade(o.Store, u.fill)
	if errors.Is(err, boltkv.ErrUpgraded) { // by another process since then
		return Result{}, nil
	}
	if errors.Is(err, boltkv.ErrLocked) {
		err = fmt.Errorf("%w; stop it first", err)
	}
	if err != nil {
		return Result{}, err
	}
	return u.result, nil
}

// An upgrade is one upgrade.
type upgrade struct {
	Service
	Options

	ctx    context.Context //nolint:containedctx // an upgrade lasts as long as one call
	store  *boltkv.DB
	old    Old
	log    *changelog.Log
	writer writer
	result Result
}

// fill writes the new store.
func (u *upgrade) fill(old kv.Reader, store *boltkv.DB) error {
	u.old, u.store, u.writer = Old{Reader: old}, store, writer{ctx: u.ctx, store: store}
	for _, step := range []func() error{u.survey, u.openKeys, u.copyLog, u.compare, u.convert, u.copyRows, u.verify} {
		if err := errors.Join(u.ctx.Err(), step()); err != nil {
			return err
		}
		if err := u.writer.flush(); err != nil {
			return err
		}
	}
	return nil
}

// survey checks that all spaces are known, and counts the resources and entries.
func (u *upgrade) survey() (err error) {
	known := map[string]bool{keyringSpace: true}
	for _, spaces := range [][]string{changelog.FirstSpaces(), u.Resources, u.Replaced, u.Copied} {
		for _, space := range spaces {
			known[space] = true
		}
	}
	if err := checkSpaces(u.old, known); err != nil {
		return err
	}
	progress := u.step("count", 0)
	for _, space := range u.Resources {
		for _, err := range kv.All(u.old, kv.Prefix(kv.NewKey(space), 0)) {
			if err := errors.Join(err, u.ctx.Err()); err != nil {
				return err
			}
			u.result.Resources++
			progress.done()
		}
	}
	u.result.Entries, err = changelog.FirstSize(u.old)
	return err
}

// openKeys copies the keyring and opens it.
func (u *upgrade) openKeys() error {
	if err := errors.Join(u.copySpace(keyringSpace, nil), u.writer.flush()); err != nil {
		return err
	}
	var err error
	if u.old.Keys, err = keyring.Open(u.ctx, u.store, u.Providers, u.Name); err != nil {
		return err
	}
	if err := u.old.Keys.Authenticate(u.store); err != nil {
		return err
	}
	u.log, err = changelog.New(u.old.Keys.LogSeeds(), u.Name, time.Now)
	if err != nil {
		return err
	}
	u.writer.log = u.log
	u.store.Attach(changelog.Name, u.log)
	return nil
}

// copyLog copies the log and verifies it.
func (u *upgrade) copyLog() error {
	progress := u.step("copy the change log", u.result.Entries)
	err := changelog.CopyFirst(u.old, u.writer.put, func() { progress.done() })
	if err := errors.Join(err, u.writer.flush()); err != nil {
		return err
	}
	u.step("verify the change log", u.result.Entries)
	return u.store.View(u.ctx, func(r kv.Reader) error {
		if err := u.log.Verify(r); err != nil || u.Witness == "" {
			return err
		}
		if err := u.log.Includes(r, u.Witness); err != nil {
			return fmt.Errorf("%w: %w", ErrRolledBack, err)
		}
		return nil
	})
}

// convert writes the resources in the present form.
func (u *upgrade) convert() error {
	progress := u.step("convert", u.result.Resources)
	return u.Convert(u.old, u.result.Entries, func(c Converted) error {
		if c.Entry.Action != "" {
			progress.done()
			c.Entry.Actor = actor
		}
		return errors.Join(u.ctx.Err(), u.writer.converted(c))
	})
}

// copyRows copies the rows that stay as they are.
func (u *upgrade) copyRows() error {
	progress := u.step("copy other rows", 0)
	for _, space := range u.Copied {
		if err := u.copySpace(space, progress); err != nil {
			return err
		}
	}
	return nil
}

func (u *upgrade) copySpace(space string, progress *step) error {
	for pair, err := range kv.All(u.old, kv.Prefix(kv.NewKey(space), 0)) {
		if err == nil {
			progress.done()
			err = errors.Join(u.ctx.Err(), u.writer.put(pair.Key, pair.Value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// verify checks the new store.
func (u *upgrade) verify() error {
	progress := u.step("verify the new file", u.result.Resources)
	return u.store.View(u.ctx, func(r kv.Reader) error {
		if err := u.log.Verify(r); err != nil {
			return err
		}
		for _, space := range u.Rows.Spaces() {
			for own, err := range kv.All(r, space) {
				if err == nil && own.Value != nil {
					progress.done()
					err = u.verifyOwn(r, own)
				}
				if err != nil {
					return fmt.Errorf("verify the new file: %w", err)
				}
			}
		}
		return nil
	})
}

// verifyOwn checks the resource of an own row.
func (u *upgrade) verifyOwn(r kv.Reader, own kv.Pair) error {
	resource, err := u.Rows.Resource(own)
	if err == nil {
		err = audit.Check(r, u.Rows, resource, own.Value)
	}
	return errors.Join(u.ctx.Err(), err)
}
