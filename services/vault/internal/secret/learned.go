package secret

import (
	"slices"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
)

// A Meant is the version that a binder requests, with its facts.
type Meant struct {
	Version
	// Learned is nil unless the version is an enabled version of a KEY.
	Learned *Learned
	// Position is the position in the change log at which the version was read.
	Position Position
}

// Learned is the metadata that a binder learns about a version's value in addition to the stored
// facts.
type Learned struct {
	keyform.Facts
	// LineEnd is whether the value would be a key of a usual length without its final line end.
	LineEnd bool
}

// examine decrypts the value of a KEY that is bound, and returns its metadata. It adds the
// fingerprints that an earlier release, which knew fewer spellings of keys, did not store, and
// reports whether there were any.
func (s *Store) examine(tx *writes, sec *Secret, v *Version) (learned *Learned, more bool, err error) {
	if sec.Usage != Key || v.State != Enabled {
		return nil, false, nil
	}
	var prints []Print
	memory.Do(func() {
		var plain sensitive.Bytes
		if plain, err = s.openValue(*sec, *v); err != nil {
			return
		}
		defer plain.Zero()
		learned = learn(plain)
		prints = s.printsOf(*sec, material{plain: plain, public: v.Public, facts: v.Facts})
	})
	if err != nil {
		return nil, false, err
	}
	more, err = v.learn(tx, sec, prints)
	return learned, more, err
}

// learn returns the metadata that a binder learns about a value. Its forms of symmetric keys
// include only usual lengths: other lengths are mostly those of passphrases.
func learn(plain sensitive.Bytes) *Learned {
	learned := &Learned{Facts: keyform.Look(plain.Reveal()), LineEnd: keyform.LineEnd(plain.Reveal(), lengths()...)}
	learned.Forms = slices.DeleteFunc(learned.Forms, func(f keyform.Form) bool { return !slices.Contains(lengths(), f.Bytes) })
	if learned.Public != nil {
		learned.Problem = nil // an earlier release stored several keys, of which the first is used
	}
	return learned
}
