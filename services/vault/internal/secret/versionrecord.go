package secret

import (
	"cmp"
	"errors"
	"slices"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// message returns the stored form of a version.
func (v Version) message() (*stored.Version, error) {
	m := &stored.Version{
		LastChange: v.LastChange, Created: kv.Nanos(v.Created), State: stateMessage(v.State), Uid: rawVersionUID(v.UID),
		SameAs: v.SameAs, Public: v.Public, AllowedHosts: v.AllowedHosts, Ports: v.Ports, WeakReason: v.WeakReason,
	}
	for i := range v.Prints {
		m.Prints = append(m.Prints, v.Prints[i][:])
	}
	if v.Facts != nil {
		m.Facts = with(&stored.Facts{Bytes: v.Facts.Bytes, Private: v.Facts.Private}, v.Facts.Unknown)
	}
	if v.Sealed.Ciphertext != nil {
		if v.Sealed.Algorithm != keyring.Algorithm {
			return nil, errors.New("encode version: unknown algorithm")
		}
		m.Value = with(&stored.Value{
			Algorithm: stored.Algorithm_ALGORITHM_AES_256_GCM, KeyId: v.Sealed.KeyID,
			WrappedKey: v.Sealed.WrappedKey, Ciphertext: v.Sealed.Ciphertext,
		}, v.ValueUnknown)
		if v.Sealed.KeyID == keyring.WrappedBy(v.Sealed.WrappedKey) {
			m.Value.KeyId = ""
		}
	}
	return with(m, v.Unknown), nil
}

// parseVersion returns a version as it is stored.
func parseVersion(number uint32, text []byte) (Version, error) {
	var m stored.Version
	if err := m.UnmarshalVTUnsafe(text); err != nil {
		return Version{}, read("version", errRecord)
	}
	v := Version{
		Number: number, LastChange: m.GetLastChange(), Created: kv.TimeOf(m.GetCreated()), State: stateOf(m.GetState()),
		UID: textOf(m.GetUid()), SameAs: m.GetSameAs(), Public: m.GetPublic(), AllowedHosts: m.GetAllowedHosts(), Ports: m.GetPorts(),
		WeakReason: m.GetWeakReason(), Unknown: m.Unknown(),
	}
	for _, p := range m.GetPrints() {
		if len(p) != len(Print{}) {
			return Version{}, read("version", errRecord)
		}
		v.Prints = append(v.Prints, Print(p))
	}
	if f := m.GetFacts(); f != nil {
		v.Facts = &Facts{Bytes: f.GetBytes(), Private: f.GetPrivate(), Unknown: f.Unknown()}
	}
	if value := m.GetValue(); value != nil {
		v.Sealed = keyring.Sealed{
			Algorithm: algorithmOf(value.GetAlgorithm()), KeyID: cmp.Or(value.GetKeyId(), keyring.WrappedBy(value.GetWrappedKey())),
			WrappedKey: value.GetWrappedKey(), Ciphertext: value.GetCiphertext(),
		}
		v.ValueUnknown = value.Unknown()
	}
	return v, nil
}

// algorithmOf returns the name of an algorithm, which is empty for one that this program does not
// know.
func algorithmOf(a stored.Algorithm) string {
	if a == stored.Algorithm_ALGORITHM_AES_256_GCM {
		return keyring.Algorithm
	}
	return ""
}

// findVersion returns a version of a secret and its stored form, or VERSION_NOT_FOUND. It fails if
// the row is missing or is not the one that the secret's row describes.
func findVersion(r kv.Reader, sec Secret, number uint32) (v Version, text []byte, err error) {
	if !sec.has(number) {
		return Version{}, nil, versionNotFound()
	}
	text, err = r.Get(versionKey(sec.Name, sec.UID, number))
	if isMissing(err) {
		return Version{}, nil, tampered("the row of a version is missing")
	}
	if err != nil {
		return Version{}, nil, read("version", err)
	}
	v, err = completeVersion(sec, number, text)
	return v, text, err
}

// loadVersion is findVersion without the stored form.
func loadVersion(r kv.Reader, sec Secret, number uint32) (Version, error) {
	v, _, err := findVersion(r, sec, number)
	return v, err
}

// loadVersion returns a version of a secret, or VERSION_NOT_FOUND. It compares it with the log at
// the first read.
func (s *Store) loadVersion(r kv.Reader, sec Secret, number uint32) (Version, error) {
	v, text, err := findVersion(r, sec, number)
	if err == nil {
		err = s.firstReadVersion(r, sec, v, text)
	}
	return v, err
}

// completeVersion returns a version whose stored form was read, as loadVersion does.
func completeVersion(sec Secret, number uint32, text []byte) (Version, error) {
	v, err := parseVersion(number, text)
	if err != nil {
		return Version{}, err
	}
	if err := sec.describes(v); err != nil {
		return Version{}, err
	}
	v.Current = number == sec.Current
	if v.State != Destroyed {
		v.AllowedHosts = sec.hostsOf(v)
	}
	return v, nil
}

// describes fails if the secret's row describes another row of a version.
func (s Secret) describes(v Version) error {
	if v.Number == s.Current && v.State != s.State {
		return tampered("the current version has another state than the secret says")
	}
	if s.destroyed(v.Number) != (v.State == Destroyed) {
		return tampered("a destroyed version is stored as another one, or the reverse")
	}
	if v.State == Destroyed {
		return nil
	}
	rewrite, found := s.rewrite(v.Number)
	switch {
	case found && rewrite.Change != v.LastChange:
		return tampered("a version is an earlier one")
	case rewrite.Disabled != (v.State != Enabled):
		return tampered("a version has another state than the secret says")
	}
	return nil
}

// rewrite returns the last rewrite of a version that is not destroyed, if it was rewritten.
func (s Secret) rewrite(number uint32) (r Rewrite, found bool) {
	i := slices.IndexFunc(s.Rewrites, func(r Rewrite) bool { return r.Version == number })
	if i < 0 {
		return Rewrite{}, false
	}
	return s.Rewrites[i], true
}

// destroyed reports whether a version is destroyed.
func (s Secret) destroyed(number uint32) bool { return within(s.Destroyed, number) }

// enabled reports whether a version is enabled, according to the secret's row.
func (s Secret) enabled(number uint32) bool {
	rewrite, _ := s.rewrite(number)
	return !rewrite.Disabled && !s.destroyed(number)
}

// addVersion writes the row of the last version for the next entry.
func addVersion(tx *writes, sec Secret, v Version) (err error) {
	if v.LastChange, err = tx.next(); err != nil {
		return err
	}
	return putVersion(tx, sec, v)
}

// rewriteVersion writes the row of a version again for the next entry, and describes it in the
// secret, whose row must be written, too.
func rewriteVersion(tx *writes, sec *Secret, v Version) (err error) {
	if v.LastChange, err = tx.next(); err != nil {
		return err
	}
	sec.Rewrites = slices.DeleteFunc(slices.Clone(sec.Rewrites), func(r Rewrite) bool { return r.Version == v.Number })
	if v.State == Destroyed {
		sec.Destroyed = including(sec.Destroyed, v.Number)
	} else {
		sec.Rewrites = append(sec.Rewrites, Rewrite{Version: v.Number, Change: v.LastChange, Disabled: v.State != Enabled})
	}
	return putVersion(tx, *sec, v)
}

func putVersion(tx *writes, sec Secret, v Version) error {
	m, err := v.message()
	if err == nil {
		err = tx.put(versionRow(sec.Name, sec.UID, v.Number), m)
	}
	return writing("version", err)
}

// including returns spans, in order, with a number added.
func including(spans []Span, number uint32) []Span {
	spans = append(slices.Clone(spans), Span{First: number, Last: number})
	slices.SortFunc(spans, func(a, b Span) int { return int(int64(a.First) - int64(b.First)) })
	joined := spans[:1]
	for _, next := range spans[1:] {
		if last := &joined[len(joined)-1]; next.First <= last.Last+1 {
			last.Last = max(last.Last, next.Last)
			continue
		}
		joined = append(joined, next)
	}
	return joined
}
