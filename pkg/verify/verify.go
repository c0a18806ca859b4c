// Package verify examines the data file of a stopped service, and names everything that differs from
// what the service stored. It changes nothing.
//
// # What is checked
//
//   - The file: every page, and the list of free pages ([boltkv.OpenReadOnly]).
//   - The keyring: a key provider opens it.
//   - Every row: its MAC, and that it is of a known kind.
//   - The change log: its signed head, the tree, each entry, both indexes, and the succession of keys.
//   - All rows that entries state, against the newest entry that states them: a row that is missing, that
//     was changed, or that is an earlier one ([audit.Inspect]).
//   - What the service knows beyond that ([Service.Check]), such as that each value decrypts.
//   - The log, against heads that were kept elsewhere.
//
// # What cannot be seen
//
// A file that was replaced as a whole by an earlier copy of itself is consistent. Only a head that is kept
// elsewhere reveals that. Rows that change without an entry in the log, such as counters, may be earlier
// ones. Bytes that no reader looks at, such as those of free pages, are not compared with anything.
package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// A Difference is one difference of a data file from what the program stored. It contains names of
// resources, and never a value. It does not belong in a log.
type Difference struct {
	// Name is the name of a resource, or of a part of the data file, such as "change log".
	Name string
	// The difference, as the predicate of a sentence.
	What string
}

// String returns one line.
func (d Difference) String() string { return d.Name + ": " + d.What }

// The parts of a data file.
const (
	dataFile  = "data file"
	keyringOf = "keyring"
	changeLog = "change log"
)

// A Service describes the data file of a service.
type Service struct {
	// Name is the purpose of the keyring, and the origin of the log.
	Name string
	// Rows describes the logged rows.
	Rows audit.Resources
	// Row names the row with a key, and says what the row is. It returns false for rows of the packages
	// that both services use, and of no known kind.
	Row func(key []byte) (Difference, bool)
	// Ref says what the row of a resource with a ref is.
	Ref func(ref string) string
	// Check checks what else the service knows about its rows. Rows that fail their MAC have been
	// reported. It fails only if it could not check.
	Check func(Store) error
}

// A Store is what [Service.Check] checks, and [Options.Use] uses.
type Store struct {
	kv.Reader

	Context context.Context //nolint:containedctx // lasts as long as one call
	Keys    *keyring.Keyring
	Log     *changelog.Log
	// Values means to decrypt all values.
	Values bool
	Report func(Difference)
	Result *Result
}

// Options are the options of a verification.
type Options struct {
	// Store is the path of the data file, and Providers are those of the key-encryption key. A service
	// sets both.
	Store     string
	Providers keyring.Providers
	// Heads are signed heads of the change log that were kept elsewhere. The log must extend each.
	Heads []string
	// SkipValues skips the decryption of the values.
	SkipValues bool
	// Report receives each difference, in the order in which they are found. Required.
	Report func(Difference)
	// Use reads the verified store, in the state that was verified. It is not called if anything differs.
	// Optional.
	Use func(Store) error
}

// A Result says what a verification examined.
type Result struct {
	// Differences is the number of differences.
	Differences int
	// Complete is false if a difference prevented the rest of the verification.
	Complete bool
	// Rows, Entries, and Resources are the numbers of rows, of entries in the change log, and of resources.
	// Values is the number of values that were decrypted.
	Rows, Entries, Resources, Values uint64
	// Heads is the number of heads that the change log was compared with.
	Heads int
	// Witnessed are the last verified heads of other programs' logs, by the name under which the service
	// keeps them.
	Witnessed map[string]string
}

// errStopped ends a verification that a difference prevents. It has been reported.
var errStopped = errors.New("the rest was not verified")

// Run verifies the data file of a stopped service. It opens the file for reading, which excludes programs
// that write it. The error wraps [boltkv.ErrLocked] if a program uses the store, and [keyring.ErrUnavailable]
// if the key provider cannot be reached. Differences are no errors.
func Run(ctx context.Context, s Service, o Options) (Result, error) {
	v := &verification{Service: s, Options: o}
	err := v.run(ctx)
	if errors.Is(err, errStopped) {
		return v.result, nil
	}
	v.result.Complete = err == nil
	return v.result, err
}

// Opened is Run for a store that is open, and whose rows the keyring authenticates. It reads one state of
// the store, which a running service may change meanwhile. It does not examine the file.
func Opened(ctx context.Context, s Service, store kv.Store, keys *keyring.Keyring, o Options) (Result, error) {
	v := &verification{Service: s, Options: o}
	err := v.verify(ctx, store, keys)
	v.result.Complete = err == nil
	return v.result, err
}

type verification struct {
	Service
	Options

	result Result
}

func (v *verification) report(f Difference) {
	v.result.Differences++
	v.Report(f)
}

// stop reports a difference that prevents the rest of the verification.
func (v *verification) stop(f Difference) error {
	v.report(f)
	return errStopped
}

func (v *verification) run(ctx context.Context) (err error) {
	if _, err := os.Stat(v.Store); err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	store, err := boltkv.OpenReadOnly(v.Store, func(what string) { v.report(Difference{dataFile, what}) })
	switch {
	case errors.Is(err, boltkv.ErrLocked):
		return fmt.Errorf("%w; stop it first", err)
	case errors.Is(err, kv.ErrCorrupt), errors.Is(err, boltkv.ErrForeign):
		return v.stop(Difference{dataFile, "cannot be read: " + Describe(err) + "; the rows were not verified"})
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	keys, err := keyring.OpenReadOnly(ctx, store, v.Providers, v.Name)
	switch {
	case errors.Is(err, keyring.ErrUnavailable), ctx.Err() != nil:
		return errors.Join(err, ctx.Err())
	case err != nil:
		return v.stop(Difference{keyringOf, Describe(err) + "; the rows were not verified"})
	}
	if err := keys.Authenticate(store); err != nil {
		return err
	}
	return v.verify(ctx, store, keys)
}

func (v *verification) verify(ctx context.Context, store kv.Store, keys *keyring.Keyring) error {
	log, err := changelog.New(keys.LogSeeds(), v.Name, time.Now)
	if err != nil {
		return err
	}
	return store.View(ctx, func(r kv.Reader) error {
		if err := v.rows(ctx, r); err != nil {
			return err
		}
		inspected, err := audit.Inspect(ctx, r, log, v.Rows, v.differs)
		if err != nil {
			return err
		}
		v.result.Entries, v.result.Resources = inspected.Entries, inspected.Resources
		if err := v.heads(r, log); err != nil {
			return err
		}
		verified := Store{
			Reader: r, Context: ctx, Keys: keys, Log: log, Values: !v.SkipValues, Report: v.report, Result: &v.result,
		}
		if err := v.Check(verified); err != nil || v.Use == nil || v.result.Differences > 0 {
			return err
		}
		return v.Use(verified)
	})
}

// rows verifies the MAC of each row, and that its kind is known.
func (v *verification) rows(ctx context.Context, r kv.Reader) error {
	for pair, err := range kv.Each(r, kv.Range{}) {
		if pair.Key == nil || err != nil && !errors.Is(err, kv.ErrCorrupt) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		v.result.Rows++
		row, known := v.row(pair.Key)
		switch {
		case err != nil:
			v.report(Difference{row.Name, strings.TrimPrefix(row.What+": ", ": ") + "was changed, or is that of another key"})
		case !known:
			v.report(Difference{row.Name, "is of no known kind"})
		}
	}
	return nil
}

// differs reports a difference from the change log. Rows that fail their MAC have been reported.
func (v *verification) differs(d audit.Difference) {
	if errors.Is(d.Err, kv.ErrCorrupt) {
		return
	}
	f := Difference{d.Resource, Describe(d.Err)}
	if d.Resource == "" {
		f.Name = changeLog
	}
	if d.Ref != "" {
		f.What = v.Ref(d.Ref) + ": " + f.What
	}
	v.report(f)
}

// heads compares the log with the heads that were kept elsewhere, and reads those of other logs.
func (v *verification) heads(r kv.Reader, changes *changelog.Log) error {
	for _, head := range v.Heads {
		v.result.Heads++
		if err := changes.Includes(r, head); err != nil {
			v.report(Difference{changeLog, "does not extend a head that was kept elsewhere, so the whole data file is an earlier one, or another one: " + Describe(err)})
		}
	}
	seen, err := changelog.Witnessed(r)
	if err != nil && !errors.Is(err, kv.ErrCorrupt) {
		v.report(Difference{"heads of other programs", Describe(err)})
	}
	v.result.Witnessed = make(map[string]string)
	for name, known := range seen {
		if known.Verified.Checkpoint != "" {
			v.result.Witnessed[name] = known.Verified.Checkpoint
		}
	}
	return nil
}

// Describe returns the description of a difference in an error, without the sentinels, which repeat what a
// verification is.
func Describe(err error) string {
	text := err.Error()
	for _, sentinel := range []error{audit.ErrMismatch, changelog.ErrTampered, kv.ErrCorrupt} {
		if _, detail, found := strings.Cut(text, sentinel.Error()+": "); found {
			text = detail
		}
	}
	return text
}
