// Package catalog writes the pages of the built-in presets: for each preset what to store, what its
// configuration is, and a sample that another tool made, with programs that open it.
//
// The pages are generated from the preset files and their known answers, so they cannot differ from
// what the allowlist does. [Sample.Programs] are the programs that a test runs. The command generate
// writes the pages to docs/presets. No program of Keyward contains this package.
package catalog

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// moment is the time of samples that have none.
var moment = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// A Sample is the known answer of a direction of a preset.
type Sample struct {
	answer.Answer
	// Programs open the sample, and print its plaintext.
	Programs []snippet.Program
	// Signed is the signed string, with a mark in place of the secret. It is empty if the sample is not
	// signed, or if it differs each time.
	Signed string

	profile *describe.Profile
}

// A Catalog contains the samples of all presets.
type Catalog struct {
	library *preset.Library
	samples map[string][]Sample // by the ID of the preset, requests first
}

// New returns the catalog of a library with known answers. The first answer of each direction of a
// preset is its sample.
func New(l *preset.Library, answers []answer.Answer) (*Catalog, error) {
	c := &Catalog{library: l, samples: make(map[string][]Sample)}
	for _, direction := range []string{"request", "response"} {
		seen := make(map[string]bool)
		for _, a := range answers {
			if a.Direction != direction || seen[a.Preset] {
				continue
			}
			seen[a.Preset] = true
			s, err := newSample(l, a)
			if err != nil {
				return nil, fmt.Errorf("the %s of %s: %w", a.Direction, a.Preset, err)
			}
			c.samples[a.Preset] = append(c.samples[a.Preset], s)
		}
	}
	return c, nil
}

// Samples returns the samples of a preset, requests first.
func (c *Catalog) Samples(id string) []Sample { return c.samples[id] }

// newSample verifies an answer, and writes its programs.
func newSample(l *preset.Library, a answer.Answer) (Sample, error) {
	if err := a.Verify(l, moment); err != nil {
		return Sample{}, err
	}
	config, direction, err := a.Pipeline(l, moment)
	if err != nil {
		return Sample{}, err
	}
	profile, response := describe.Directions(config.Proto())
	if direction == payload.Response {
		profile = response
	}
	m := snippet.Message{Profile: profile, Body: []byte(a.Body), ContentType: a.ContentType(), Context: a.At(moment)}
	for _, name := range slices.Sorted(maps.Keys(a.Headers)) {
		m.Headers = append(m.Headers, payload.Header{Name: name, Value: a.Headers[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(a.Query)) {
		m.Query = append(m.Query, payload.Header{Name: name, Value: a.Query[name]})
	}
	for _, k := range profile.Keys {
		key, err := keyOf(k, a)
		if err != nil {
			return Sample{}, fmt.Errorf("%s: %w", k.Field, err)
		}
		m.Keys = append(m.Keys, key)
	}
	state, err := a.State()
	if err != nil {
		return Sample{}, err
	}
	if state != nil {
		m.Keys = append(m.Keys, snippet.Exchanged(profile.Path+".cipher.exchange_key", state.Key), snippet.Exchanged(profile.Path+".cipher.iv", state.IV))
	}
	signed, err := signedString(config.Pipeline(direction), a)
	return Sample{Answer: a, Programs: snippet.Programs(m), Signed: signed, profile: profile}, err
}

// signedString returns the signed string of a message that is the same each time.
func signedString(p *payload.Pipeline, a answer.Answer) (signed string, err error) {
	if !a.Deterministic || !p.Signs() {
		return "", nil
	}
	in, err := a.Input(p.EncryptReferences(), a.Plaintext, nil, moment)
	if err != nil {
		return "", err
	}
	in.Trace = func(_, detail string, value []byte) {
		if detail == payload.SignedString {
			signed = string(value)
		}
	}
	_, err = p.Encrypt(in)
	return signed, err
}

// keyOf returns the key of a reference for a program.
func keyOf(k describe.Key, a answer.Answer) (snippet.Key, error) {
	stored := []byte(a.Stored(k.Secret))
	key := snippet.Key{Field: k.Field, Secret: answer.NameOf(k.Secret), Decoding: k.Decoding, Stored: stored}
	if k.Shared() || k.Requirement.PGP {
		return key, nil
	}
	if k.Decoding != keyform.PEM && k.Decoding != keyform.Raw {
		decoded, err := keyform.Decode(k.Decoding, stored)
		if err != nil {
			return key, err
		}
		stored = decoded
	}
	public, _, err := keyform.ParsePublic(stored)
	if err != nil {
		return key, err
	}
	if key.Public, err = keyform.MarshalPublic(public); err != nil {
		return key, err
	}
	if private, _, err := keyform.ParsePrivate(stored); err == nil { // the partner's key may be public only
		key.Private, err = keyform.MarshalPrivate(private)
		if err != nil {
			return key, err
		}
	}
	return key, nil
}
