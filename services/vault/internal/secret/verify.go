package secret

import (
	"bytes"
	"errors"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/pkg/verify"
)

// # Verification of a stopped vault
//
// Package audit compares the logged rows of each secret with the log. The checks here follow from what the
// rows say about each other: the row of a secret describes those of its versions and counts its bindings,
// and other rows follow from it. A row that fails its MAC has been reported already, so what it says is not
// compared.

// Verify checks the rows of all secrets, for [verify.Service].
func Verify(store verify.Store) error {
	v := verifier{Store: store}
	var name Name
	var found *Secret
	for pair, err := range kv.Each(store, kv.Prefix(kv.NewKey(spaceSecret), 0)) {
		if errors.Is(err, kv.ErrCorrupt) && pair.Key != nil {
			if of, rest, cut := cutName(pair.Key, spaceSecret); cut == nil && len(rest) == 0 {
				name, found = of, nil // its other rows cannot be judged
			}
			continue
		}
		if err := errors.Join(err, store.Context.Err()); err != nil {
			return err
		}
		of, rest, err := cutName(pair.Key, spaceSecret)
		if err != nil {
			continue // reported as a row of no known kind
		}
		if of != name {
			name, found = of, nil
		}
		if len(rest) == 0 {
			if found, err = v.secret(name, pair.Value); err != nil {
				return err
			}
			continue
		}
		if err := v.belongs(name, found, pair.Key, rest); err != nil {
			return err
		}
	}
	return nil
}

type verifier struct{ verify.Store }

func (v verifier) differs(name Name, what string) {
	v.Report(verify.Difference{Name: name.String(), What: what})
}

// judge reports an error about the data, and returns another one.
func (v verifier) judge(name Name, about string, err error) error {
	switch {
	case err == nil, errors.Is(err, kv.ErrCorrupt): // which has been reported
		return nil
	case v.Context.Err() != nil:
		return v.Context.Err()
	}
	v.differs(name, about+": "+verify.Describe(err))
	return nil
}

// secret checks a secret, and returns it.
func (v verifier) secret(name Name, text []byte) (*Secret, error) {
	sec, err := parseSecret(name, bytes.Clone(text))
	if err != nil {
		v.differs(name, "the secret: "+err.Error())
		return nil, nil
	}
	for number := range sec.numbers(sec.Last) {
		if err := v.judge(name, RefOf(numberedRow(kindVersion, name, sec.UID, number).ref), v.version(sec, number)); err != nil {
			return nil, err
		}
	}
	if err := v.bindings(sec); err != nil {
		return nil, err
	}
	return &sec, v.others(sec)
}

// version checks that a version is the one that the secret describes, that its value decrypts, and that
// its ledger and the rows of its fingerprints exist.
func (v verifier) version(sec Secret, number uint32) error {
	version, err := loadVersion(v, sec, number)
	if err != nil || version.State == Destroyed {
		return err
	}
	if err := v.value(sec, version); err != nil {
		return err
	}
	if sec.Usage != Key || sec.Deferred > 0 {
		return nil
	}
	if _, err := version.loadNonces(v, sec); err != nil {
		return err
	}
	for _, p := range version.Prints {
		row, err := loadPrinted(v, sec, p)
		if err != nil {
			return err
		}
		if row.GetId() != sec.Name.ID {
			return tampered("the row of a fingerprint is missing")
		}
	}
	return nil
}

// value decrypts the value of a version, and forgets it.
func (v verifier) value(sec Secret, version Version) (err error) {
	if len(version.Sealed.Ciphertext) == 0 {
		return tampered("a value is missing")
	}
	if !v.Values {
		return nil
	}
	memory.Do(func() {
		var plain sensitive.Bytes
		plain, err = v.Keys.OpenValue(version.Sealed, boundTo(sec, version.Number))
		plain.Zero()
	})
	switch {
	case errors.Is(err, keyring.ErrKeyDisabled):
		return nil // an operator disabled it, so nothing differs
	case err != nil:
		return tampered("a value does not decrypt")
	}
	v.Result.Values++
	return nil
}

// bindings checks that the counts of bindings are right.
func (v verifier) bindings(sec Secret) error {
	holders, referrers, pinned := make(map[string]uint32), make(map[string]uint64), make(map[uint32]uint64)
	prefix := bindingsKey(sec.Name, sec.UID)
	for pair, err := range kv.Each(v, kv.Prefix(prefix, 0)) {
		if errors.Is(err, kv.ErrCorrupt) {
			return nil // nothing can be counted
		}
		if err != nil {
			return err
		}
		b := Binding{Name: sec.Name, UID: sec.UID}
		if err := b.read(prefix, pair); err != nil {
			v.differs(sec.Name, "a binding: "+err.Error())
			return nil
		}
		holders[b.Holder]++
		referrers[b.Referrer]++
		for _, number := range b.Versions {
			pinned[number]++
		}
	}
	counted := len(holders) == len(sec.Holders) && len(referrers) == int(sec.References)
	for _, h := range sec.Holders {
		counted = counted && holders[h.Name] == h.Bindings
	}
	if !counted {
		v.differs(sec.Name, "the secret has more or fewer bindings than it says")
	}
	for referrer, want := range referrers {
		at := referrerRow(Binding{Name: sec.Name, UID: sec.UID, Referrer: referrer})
		if err := v.judge(sec.Name, RefOf(at.ref), v.counts(at, want)); err != nil {
			return err
		}
	}
	for number, want := range pinned {
		at := pinnedRow(sec.Name, sec.UID, number)
		if err := v.judge(sec.Name, RefOf(at.ref), v.counts(at, want)); err != nil {
			return err
		}
	}
	return nil
}

func (v verifier) counts(at row, want uint64) error {
	got, err := getCount(v, at)
	if err == nil && got != want {
		err = tampered("is not the number of bindings")
	}
	return err
}

// others checks that the rows exist that follow from a secret.
func (v verifier) others(sec Secret) error {
	needed := map[string]kv.Key{"the row by update time": updateKey(sec.Name, sec.Updated)}
	if sec.KeepVersions > 0 {
		needed["the row of kept versions"] = keptKey(sec.Name)
	}
	if sec.deleted() {
		needed["the purge time"] = deletedKey(sec.Name, sec.UID, sec.PurgeAt)
	}
	for about, key := range needed {
		_, err := v.Get(key)
		if isMissing(err) {
			err = tampered("is missing")
		}
		if err := v.judge(sec.Name, about, err); err != nil {
			return err
		}
	}
	return nil
}

// belongs checks that a row of an incarnation belongs to the secret, or is to be removed. The secret is nil
// if the name has none, or if its row was reported.
func (v verifier) belongs(name Name, sec *Secret, key, rest []byte) error {
	if rest[0] == 'l' || len(rest) < 1+uidSize {
		return nil // a listing, or reported as a row of no known kind
	}
	uid := textOf(rest[1 : 1+uidSize])
	if sec != nil && sec.UID == uid {
		return nil
	}
	if _, err := v.Get(garbageKey(name, uid)); !isMissing(err) {
		return v.judge(name, "the pending deletion of rows", err)
	}
	if sec == nil {
		if _, err := v.Get(secretKey(name)); errors.Is(err, kv.ErrCorrupt) {
			return nil
		}
	}
	row, _ := rowOfSecret(key)
	v.differs(name, row.What+": belongs to a secret that was deleted")
	return nil
}
