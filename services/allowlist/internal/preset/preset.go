// Package preset contains the presets: configurations of known partners and products.
//
// A preset is data: one file in the folder presets, a Preset message as JSON. An operator adds more
// of them in a folder ([Open]). Its references stand
// for secrets that the user of the preset names. A `{{name}}` in its strings stands for a setting,
// such as the ID that a partner assigned to a key. [Library.Parse] replaces both and returns an
// ordinary configuration, which is what is saved: a later version of a preset does not change
// saved endpoints. Violations name the field that was given: the secret or the setting that the
// wrong part comes from.
//
// The files do not contain the unsafe choices of a preset or the purposes of its keys: package
// payload computes both when the presets are read.
//
// Each preset has a known answer in testdata: a message that another tool created. Only presets
// that decrypt such a message are included.
package preset

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

//go:embed presets/*.json
var files embed.FS

// place is the prefix of a preset's references, which belong to no workspace.
const place = "workspaces/-/secrets/"

// A Library contains all presets. It is immutable and safe for concurrent use.
type Library struct {
	presets []*allowlistv1.Preset // ordered by ID
}

// byID orders presets.
func byID(a, b *allowlistv1.Preset) int { return strings.Compare(a.GetId(), b.GetId()) }

// Find returns the preset with an ID, or nil. The caller must not change it.
func (l *Library) Find(id string) *allowlistv1.Preset {
	i, found := slices.BinarySearchFunc(l.presets, id, func(p *allowlistv1.Preset, id string) int {
		return strings.Compare(p.GetId(), id)
	})
	if !found {
		return nil
	}
	return l.presets[i]
}

// New returns the library. The first call reads the presets, and later ones return the same library.
func New() (*Library, error) { return read() }

var read = sync.OnceValues(func() (*Library, error) {
	names, err := fs.Glob(files, "presets/*.json")
	if err != nil {
		return nil, fmt.Errorf("list presets: %w", err)
	}
	l := new(Library)
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read preset: %w", err)
		}
		preset, err := parse(strings.TrimSuffix(path.Base(name), ".json"), text)
		if err != nil {
			return nil, fmt.Errorf("parse preset %s: %w", path.Base(name), err)
		}
		l.presets = append(l.presets, preset)
	}
	slices.SortFunc(l.presets, byID)
	return l, nil
})

var placeholders = regexp.MustCompile(`\{\{(.*?)\}\}`)

// parse parses a preset with the given ID, and checks that its placeholders and references match
// its declared settings and secrets.
func parse(id string, text []byte) (*allowlistv1.Preset, error) {
	preset := new(allowlistv1.Preset)
	if err := protojson.Unmarshal(text, preset); err != nil {
		return nil, err
	}
	if preset.GetId() != id {
		return nil, errors.New("its id must be the name of its file")
	}
	var referred, secrets []string
	payload.EachReference(preset.GetEncryption(), func(_ string, ref *allowlistv1.SecretRef) {
		referred = append(referred, strings.TrimPrefix(ref.GetName(), place))
	})
	for _, secret := range preset.GetSecrets() {
		secrets = append(secrets, secret.GetName())
	}
	if !same(referred, secrets) {
		return nil, errors.New("its references must match its secrets")
	}
	if err := spliced(preset.GetEncryption()); err != nil {
		return nil, err
	}
	var open, settings []string
	for _, found := range placeholders.FindAllSubmatch(text, -1) {
		open = append(open, string(found[1]))
	}
	for _, setting := range preset.GetSettings() {
		settings = append(settings, setting.GetName())
	}
	if !same(open, settings) {
		return nil, errors.New("its placeholders must match its settings")
	}
	preset.Legacy, preset.KeyPurposes = legacy(preset.GetEncryption()), keyPurposes(preset)
	return preset, nil
}

// spliced refuses settings inside expressions, where they could change the meaning: they belong in
// `constants`.
func spliced(pb *allowlistv1.Encryption) error {
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		s := profile.GetSigning()
		expressions := append([]string{s.GetInputExpression()}, slices.Collect(maps.Values(s.GetValues()))...)
		expressions = append(expressions, slices.Collect(maps.Values(s.GetClaims()))...)
		if slices.ContainsFunc(expressions, func(text string) bool { return strings.Contains(text, "{{") }) {
			return errors.New("its expressions must not hold placeholders; put settings into constants")
		}
	}
	return nil
}

// same reports whether two lists contain the same names, regardless of repetitions.
func same(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}

// legacy returns the unsafe choices of a configuration, each once.
func legacy(pb *allowlistv1.Encryption) []allowlistv1.LegacyAcknowledgement_Flag {
	flags := payload.UnsafeChoices(pb.GetRequest())
	flags = append(flags, payload.UnsafeChoices(pb.GetResponse())...)
	slices.Sort(flags)
	return slices.Compact(flags)
}

// List returns copies of all presets, ordered by ID.
func (l *Library) List() []*allowlistv1.Preset {
	all := make([]*allowlistv1.Preset, len(l.presets))
	for i, preset := range l.presets {
		all[i] = proto.CloneOf(preset)
	}
	return all
}
