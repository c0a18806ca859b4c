package secret

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
)

// # Wrapping data keys again
//
// After the keyring got another primary key, the data keys of older versions depend on the keys before
// it. RewrapSome wraps some of them under the primary key. It writes the row of a version without an
// entry in the log, because the entry that the row names states the same row (wrap.go). The change is
// no update: etags, times, and histories remain, and watchers receive nothing.
//
// A row whose entry states all of it, because an earlier release wrote the entry, would differ from
// its entry. It gets a new entry, with the action [Rewrapped], once.
//
// # No new dependence
//
// A value is sealed before its transaction. The transaction compares the key that wrapped its data key
// with the primary key, and wraps again if they differ ([Store.underPrimary]). An update that begins
// after a rotation therefore leaves no row that depends on an earlier key, and updates commit in the
// order in which their functions ran. So once an empty update that began after the rotation has
// returned, the rows that depend on an earlier key are all committed, and become fewer only. Passes of
// RewrapSome and counts of dependents begin with such an update: a count of zero for a key that is not
// the primary one stays zero.

// Rewrapped is the action of an entry about versions whose data keys were wrapped again, if the entries
// before stated the wraps.
const Rewrapped = "rewrapped"

// The limits of one transaction of a rewrap. They leave room for entries, and for the largest row.
const (
	rewrapWrites = kv.MaxOps - 4
	rewrapBytes  = kv.MaxBytes * 3 / 4
	// loggedWrites is the number of writes for a secret whose versions get an entry, without those of
	// the versions.
	loggedWrites = 2
	// loggedBytes is the size of an entry without the row of the secret.
	loggedBytes = 8 << 10
)

// A RewrapStep is the result of [Store.RewrapSome].
type RewrapStep struct {
	// Next is the position at which to continue, or nil at the end.
	Next []byte
	// Secrets is the number of secrets that were examined to their last version.
	Secrets int
	// Rewrapped is the number of versions whose data keys were wrapped again.
	Rewrapped int
	// Failed is the number of versions whose data keys do not open, or that contradict the log. Err is
	// one of their errors. It contains no name.
	Failed int
	Err    error
	// Left is the number of versions that changed in the meantime, or wait for their removal. Another
	// pass finds them.
	Left int
}

// RewrapSome examines at most limit secrets behind a position, which is nil for the first secret, and
// wraps the data keys of their versions under the primary key. It ends early when it has enough for one
// transaction. It fails only if it could not read or write: versions whose data keys do not open are
// counted.
func (s *Store) RewrapSome(ctx context.Context, after []byte, limit int) (RewrapStep, error) {
	if after == nil {
		if err := s.beginPass(ctx); err != nil {
			return RewrapStep{}, err
		}
	}
	b := batch{primary: s.keys.KeyID()}
	err := s.kv.View(ctx, func(r kv.Reader) error {
		b = batch{primary: b.primary, step: RewrapStep{Next: after}}
		return s.collectWrapped(r, &b, limit)
	})
	if err != nil {
		return RewrapStep{}, fmt.Errorf("rewrap: %w", err)
	}
	memory.Do(func() { s.rewrapAll(&b) })
	if len(b.versions) == 0 {
		return b.step, nil
	}
	step := b.step
	err = s.write(ctx, func(tx *writes) error {
		step = b.step
		return s.storeRewrapped(tx, b.versions, &step)
	})
	if err != nil {
		return RewrapStep{}, fmt.Errorf("rewrap: %w", err)
	}
	return step, nil
}

// beginPass waits for the updates that began under an earlier primary key, and removes the rows of
// deleted secrets, which depend on keys, too.
func (s *Store) beginPass(ctx context.Context) error {
	if err := s.kv.Update(ctx, func(kv.Tx) error { return nil }); err != nil {
		return fmt.Errorf("wait for earlier updates: %w", err)
	}
	return s.removeGarbage(ctx)
}

// A batch is the versions that one transaction rewraps.
type batch struct {
	primary       string
	versions      []rewrapping
	writes, bytes int
	step          RewrapStep
}

// A rewrapping is a version whose data key is wrapped again.
type rewrapping struct {
	sec     Secret
	version Version
	row     []byte // as it was read
	logged  bool   // gets an entry
	sealed  keyring.Sealed
}

// collectWrapped adds the versions of the next secrets that depend on another key to a batch.
func (s *Store) collectWrapped(r kv.Reader, b *batch, limit int) error {
	for range limit {
		group, err := groupAt(r, b.step.Next)
		if err = b.fail(err); err != nil {
			return err
		}
		if group.Key == nil {
			b.step.Next = nil
			return nil
		}
		complete, err := s.collectVersions(r, b, group)
		if err != nil || !complete {
			return err
		}
		if group.Value != nil {
			b.step.Secrets++
		}
		b.step.Next = kv.After(group.Key)
	}
	return nil
}

// groupAt returns the name, with its secret if there is one, at or behind a position. A position is
// the start of the rows of a name, or one of its rows of versions. The key of the result is nil at the
// end. After an error about the secret, the result has its key.
func groupAt(r kv.Reader, position []byte) (group kv.Pair, err error) {
	within := allSecrets(kv.NewKey(spaceSecret), 1)
	if position != nil {
		within.Start = nameAt(position)
	}
	for pair, err := range r.Scan(within) {
		if group = pair; err != nil {
			return group, read("secret", err)
		}
	}
	return group, nil
}

// fail counts an error about stored data, and returns any other error.
func (b *batch) fail(err error) error {
	if !audit.IsMismatch(err) {
		return err
	}
	b.step.Failed, b.step.Err = b.step.Failed+1, err
	return nil
}

// nameAt returns the key of the name of a position in the rows of its versions, and any other position
// as it is.
func nameAt(position []byte) []byte {
	end := 0
	for range secretStrings {
		size := bytes.IndexByte(position[end:], 0)
		if size < 0 {
			return position
		}
		end += size + 1
	}
	return position[:end]
}

// collectVersions adds the versions of a name to a batch, from a position in them, if the position
// of the batch is one. It reports false if the batch is full.
func (s *Store) collectVersions(r kv.Reader, b *batch, group kv.Pair) (complete bool, err error) {
	name, _, err := cutName(group.Key, spaceSecret)
	if err != nil {
		return false, read("secret", err)
	}
	of := wrapped{name: name, row: group.Value}
	within := versionsOfName(group.Key)
	if bytes.HasPrefix(b.step.Next, within.Start) {
		within.Start = b.step.Next
	}
	for more := true; more; {
		scanned := 0
		more = false
		for pair, err := range r.Scan(within) {
			if err != nil && pair.Key == nil {
				return false, read("version", err)
			}
			more = err != nil // a scan ends at a row that cannot be read
			if scanned++; err == nil {
				err = s.collectVersion(r, b, &of, pair)
			}
			switch err := b.fail(err); {
			case errors.Is(err, errFull):
				b.step.Next = pair.Key
				return false, nil
			case err != nil:
				return false, err
			}
			within = within.Behind(pair.Key)
		}
		more = more || scanned == versionSlice
	}
	return true, nil
}

// errFull means that a batch has no room for a version.
var errFull = errors.New("the batch is full")

// collectVersion adds the version in a row to a batch if it depends on another key.
func (s *Store) collectVersion(r kv.Reader, b *batch, of *wrapped, row kv.Pair) error {
	if id, ok := wrappingKey(row.Value); ok && (id == "" || id == b.primary) {
		return nil
	}
	found, err := s.examineWrapped(r, of, row)
	switch {
	case err != nil:
		return err
	case found == nil:
		b.step.Left++
		return nil
	case !b.add(*found):
		return errFull
	}
	return nil
}

// versionSlice is the number of versions that a scan reads at a time.
const versionSlice = 1000

// versionsOfName returns the range of the rows of versions of a name, of all incarnations.
func versionsOfName(secret []byte) kv.Range {
	return kv.Prefix(append(bytes.Clone(secret), byte(kindVersion)), versionSlice)
}

// A wrapped is a secret that is read when one of its versions depends on another key.
type wrapped struct {
	name Name
	row  []byte // nil if there is no secret of the name
	sec  *Secret
}

// examineWrapped returns what is needed to rewrap the version in a row, or nil if it belongs to a
// deleted secret and waits for its removal.
func (s *Store) examineWrapped(r kv.Reader, of *wrapped, row kv.Pair) (*rewrapping, error) {
	uid, number, err := versionOfKey(row.Key, of.name)
	if err != nil {
		return nil, err
	}
	if of.sec == nil && of.row != nil {
		sec, err := parseSecret(of.name, of.row)
		if err == nil {
			err = s.firstRead(r, sec, of.row)
		}
		if err != nil {
			return nil, err
		}
		of.sec = &sec
	}
	if of.sec == nil || of.sec.UID != uid {
		return nil, s.waitsForRemoval(r, of.name, uid)
	}
	v, err := completeVersion(*of.sec, number, row.Value)
	if err != nil {
		return nil, err
	}
	bare, err := statesBare(r, *of.sec, v, row.Value)
	if err != nil {
		return nil, err
	}
	return &rewrapping{sec: *of.sec, version: v, row: row.Value, logged: !bare}, nil
}

// versionOfKey returns the incarnation and the number of the key of a version.
func versionOfKey(key []byte, name Name) (uid string, number uint32, err error) {
	rest := key[len(secretKey(name))+1:]
	if len(rest) != uidSize+numberSize {
		return "", 0, tampered("the key of a version is malformed")
	}
	return textOf(rest[:uidSize]), binary.BigEndian.Uint32(rest[uidSize:]), nil
}

// waitsForRemoval fails unless an incarnation is in the queue of the collector.
func (s *Store) waitsForRemoval(r kv.Reader, name Name, uid string) error {
	_, err := r.Get(garbageKey(name, uid))
	if isMissing(err) {
		return tampered("a version belongs to no secret")
	}
	return read("garbage", err)
}

// statesBare reports whether the entry that a version names states its row without the wrap. It fails
// if the entry states another row.
func statesBare(r kv.Reader, sec Secret, v Version, row []byte) (bool, error) {
	entries, _, err := changelog.Follow(r, "", v.LastChange, 1)
	if err != nil {
		return false, read("change log", err)
	}
	ref := versionRow(sec.Name, sec.UID, v.Number).ref
	if len(entries) == 0 || entries[0].Sequence != v.LastChange || entries[0].Resource != sec.Name.String() {
		return false, tampered("a version names another entry of the change log")
	}
	switch changelog.Matches {
	case entries[0].State(ref, statedForm(ref, row)):
		return true, nil
	case entries[0].State(ref, row):
		return false, nil
	}
	return false, tampered("a version differs from its entry in the change log")
}

// add adds a version, and reports whether there was room for it.
func (b *batch) add(v rewrapping) bool {
	writes, size := 1, len(v.row)+kv.MaxKey/8
	if last := len(b.versions) - 1; v.logged && (last < 0 || !b.versions[last].logged || b.versions[last].sec.UID != v.sec.UID) {
		text, err := encode(v.sec.message())
		if err != nil {
			text = nil // the transaction fails with the error
		}
		writes, size = writes+loggedWrites, size+loggedBytes+len(text)
	}
	if len(b.versions) > 0 && (b.writes+writes > rewrapWrites || b.bytes+size > rewrapBytes) {
		return false
	}
	b.versions = append(b.versions, v)
	b.writes, b.bytes = b.writes+writes, b.bytes+size
	return true
}

// rewrapAll wraps the data keys of a batch. Call it inside [memory.Do].
func (s *Store) rewrapAll(b *batch) {
	kept := b.versions[:0]
	for _, v := range b.versions {
		var err error
		v.sealed, _, err = s.keys.Rewrap(v.version.Sealed, boundTo(v.sec, v.version.Number))
		if err != nil {
			b.step.Failed, b.step.Err = b.step.Failed+1, fmt.Errorf("%w: %w", tampered("a data key does not open"), err)
			continue
		}
		kept = append(kept, v)
	}
	b.versions = kept
}

// storeRewrapped writes the rows of a batch that are as they were read.
func (s *Store) storeRewrapped(tx *writes, versions []rewrapping, step *RewrapStep) error {
	for i := 0; i < len(versions); {
		of := versions[i:]
		n := 1
		for of[0].logged && n < len(of) && of[n].logged && of[n].sec.UID == of[0].sec.UID {
			n++
		}
		i += n
		done, err := s.storeRewrappedOf(tx, of[:n])
		if audit.IsMismatch(err) {
			step.Failed, step.Err = step.Failed+n, err
			continue
		}
		if err != nil {
			return err
		}
		step.Rewrapped, step.Left = step.Rewrapped+done, step.Left+n-done
	}
	return nil
}

// storeRewrappedOf writes one version, or those of one secret that get an entry, and returns their
// number.
func (s *Store) storeRewrappedOf(tx *writes, versions []rewrapping) (done int, err error) {
	var unchanged []rewrapping
	for _, v := range versions {
		row, err := tx.Get(versionKey(v.sec.Name, v.sec.UID, v.version.Number))
		if err != nil && !isMissing(err) {
			return 0, read("version", err)
		}
		if err == nil && bytes.Equal(row, v.row) && v.sealed.KeyID == s.keys.KeyID() {
			unchanged = append(unchanged, v)
		}
	}
	if len(unchanged) == 0 {
		return 0, nil
	}
	if unchanged[0].logged {
		return s.logRewrapped(tx, unchanged)
	}
	for _, v := range unchanged {
		row, ok := rewrappedRow(v.row, v.sealed)
		if !ok {
			return 0, read("version", errRecord)
		}
		if err := tx.Put(versionKey(v.sec.Name, v.sec.UID, v.version.Number), row); err != nil {
			return 0, writing("version", err)
		}
	}
	return len(unchanged), nil
}

// logRewrapped writes versions of one secret, and an entry about them.
func (s *Store) logRewrapped(tx *writes, versions []rewrapping) (done int, err error) {
	sec, err := loadKept(tx, versions[0].sec.Name)
	switch {
	case fault.Is(err, NotFound) || err == nil && sec.UID != versions[0].sec.UID:
		return 0, nil // the rows wait for their removal
	case err != nil:
		return 0, err
	}
	e := entry{action: Rewrapped, at: s.timestamp()}
	for _, v := range versions {
		v.version.Sealed = v.sealed
		if err := rewriteVersion(tx, &sec, v.version); err != nil {
			return 0, err
		}
		e.version = v.version.Number
	}
	if len(versions) > 1 {
		e.version = 0
	}
	var call Call
	if sec.deleted() {
		if call, err = s.because(tx, sec.Name); err != nil {
			return 0, err
		}
	}
	return len(versions), s.touch(tx, call, &sec, e)
}

// underPrimary returns a value that was sealed before the transaction with its data key wrapped under
// the primary key.
func (s *Store) underPrimary(sec Secret, number uint32, sealed keyring.Sealed) (keyring.Sealed, error) {
	if sealed.KeyID == s.keys.KeyID() {
		return sealed, nil
	}
	return memory.Erased(func() (keyring.Sealed, error) {
		rewrapped, _, err := s.keys.Rewrap(sealed, boundTo(sec, number))
		if err != nil {
			return keyring.Sealed{}, fmt.Errorf("rewrap sealed version: %w", err)
		}
		return rewrapped, nil
	})
}
