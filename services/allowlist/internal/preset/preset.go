// Package preset holds the presets: named configurations for what partners are known
// to use.
//
// A preset is data, one file each in the folder presets: a Preset message as JSON. Its
// references stand for secrets that whoever uses the preset names, and `{{name}}` in its
// texts stands for a setting, such as the id that a partner gave to a key.
// [Library.Parse] puts both in and returns an ordinary configuration, which is what
// gets saved: a later version of a preset changes nothing that is in use. What is wrong
// with it is told of what was given: the secret or the setting that it comes from.
//
// The files do not say which unsafe choices a preset makes, nor what it uses its keys for:
// package payload computes both when the presets are read.
//
// Each preset has a known answer, in testdata: a message that another tool made. A preset
// that is not known to open one is not here.
package preset

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

//go:embed presets/*.json
var files embed.FS

// place is what a preset's references begin with: they are of no workspace.
const place = "workspaces/-/secrets/"

// A Library is all presets. It is immutable and may be used from many goroutines.
type Library struct {
	presets []*allowlistv1.Preset // by id
}

// New reads the presets.
func New() (*Library, error) {
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
	slices.SortFunc(l.presets, func(a, b *allowlistv1.Preset) int { return strings.Compare(a.GetId(), b.GetId()) })
	return l, nil
}

// parse reads a preset with the given id, and checks that what its configuration leaves
// open and what it asks for are the same.
func parse(id string, text []byte) (*allowlistv1.Preset, error) {
	preset := new(allowlistv1.Preset)
	if err := protojson.Unmarshal(text, preset); err != nil {
		return nil, err
	}
	if preset.GetId() != id {
		return nil, errors.New("its id is not the name of its file")
	}
	var referred, secrets []string
	payload.EachReference(preset.GetEncryption(), func(_ string, ref *allowlistv1.SecretRef) {
		referred = append(referred, strings.TrimPrefix(ref.GetName(), place))
	})
	for _, secret := range preset.GetSecrets() {
		secrets = append(secrets, secret.GetName())
	}
	if !same(referred, secrets) {
		return nil, errors.New("its references are not to its secrets")
	}
	var open, settings []string
	for _, found := range regexp.MustCompile(`\{\{(.*?)\}\}`).FindAllSubmatch(text, -1) {
		open = append(open, string(found[1]))
	}
	for _, setting := range preset.GetSettings() {
		settings = append(settings, setting.GetName())
	}
	if !same(open, settings) {
		return nil, errors.New("its placeholders are not its settings")
	}
	preset.Legacy, preset.KeyPurposes = legacy(preset.GetEncryption()), keyPurposes(preset)
	return preset, nil
}

// same reports whether two lists hold the same names, however often.
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

// List returns copies of all presets, ordered by id.
func (l *Library) List() []*allowlistv1.Preset {
	all := make([]*allowlistv1.Preset, len(l.presets))
	for i, preset := range l.presets {
		all[i] = proto.CloneOf(preset)
	}
	return all
}
