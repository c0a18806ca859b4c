package preset

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/server"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/literal"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// madeUp are strings to try for a setting without a default: a path of JSON, which is also a valid
// ID, a name, a number, a path of XML, and a URL.
var madeUp = []string{"$.text", "text", "1", "/text", "https://partner.example/text"}

// madeUpWorkspace is the workspace of made-up secrets.
const madeUpWorkspace = "made-up"

// maxNames is the maximum number of secrets, and of settings: the contract limits those of a use.
const maxNames = 16

var partName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// check checks a preset that was parsed, so that it never fails because of itself when it is used.
// Errors repeat no values.
func check(preset *allowlistv1.Preset, now time.Time) error {
	if err := described(preset); err != nil {
		return err
	}
	pb := preset.GetEncryption()
	switch {
	case pb.GetPreset() != nil:
		return errors.New("encryption.preset: must be unset")
	case pb.GetRotationGrace() != nil:
		return errors.New("encryption.rotation_grace: must be unset: it belongs to the use of a preset")
	case len(pb.GetRequest().GetAllowLegacy())+len(pb.GetResponse().GetAllowLegacy()) > 0:
		return errors.New("encryption: allow_legacy must be unset: the user of a preset acknowledges its unsafe choices")
	}
	for _, found := range literal.Message("encryption", pb) {
		return fmt.Errorf("%s: must not look like key material or a credential; refer to a secret, or make it a setting if it is public", found.Field)
	}
	filled, err := compiled(preset, now)
	if err != nil {
		return plain(err)
	}
	return usages(preset, filled)
}

// described checks the prose of a preset, and its names.
func described(preset *allowlistv1.Preset) error {
	if preset.GetDisplayName() == "" || preset.GetDescription() == "" {
		return errors.New("display_name and description: are required")
	}
	prose := map[string]string{"display_name": preset.GetDisplayName(), "description": preset.GetDescription()}
	for i, source := range preset.GetSources() {
		prose[fmt.Sprintf("sources[%d]", i)] = source
	}
	var secrets, settings []string
	for i, secret := range preset.GetSecrets() {
		secrets = append(secrets, secret.GetName())
		prose[fmt.Sprintf("secrets[%d].description", i)] = secret.GetDescription()
	}
	for i, setting := range preset.GetSettings() {
		settings = append(settings, setting.GetName())
		prose[fmt.Sprintf("settings[%d].description", i)] = setting.GetDescription()
	}
	for field, text := range prose {
		if literal.Prose(text) != literal.None {
			return fmt.Errorf("%s: must not look like key material or a credential", field)
		}
	}
	return errors.Join(named("secrets", secrets), named("settings", settings))
}

// named checks the names of secrets or settings.
func named(field string, names []string) error {
	if len(names) > maxNames {
		return fmt.Errorf("%s: must be at most %d", field, maxNames)
	}
	for i, name := range names {
		if !partName.MatchString(name) {
			return fmt.Errorf("%s[%d].name: must be 1 to 64 characters of a-z, 0-9, and _, and start with a letter", field, i)
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("%s[%d].name: must be unique", field, i)
		}
	}
	return nil
}

// compiled compiles a preset with made-up secrets and settings. If a setting is refused, it tries
// the next made-up string for it.
func compiled(preset *allowlistv1.Preset, now time.Time) (*payload.Config, error) {
	secrets, settings, tried := make(map[string]*allowlistv1.SecretRef), make(map[string]string), make(map[string]int)
	for _, secret := range preset.GetSecrets() {
		secrets[secret.GetName()] = &allowlistv1.SecretRef{Name: "workspaces/" + madeUpWorkspace + "/secrets/" + secret.GetName()}
	}
	for i, setting := range preset.GetSettings() {
		text := setting.GetDefaultValue()
		if setting.DefaultValue == nil {
			text = madeUp[0]
			tried[violation.Entry(fieldSettings, setting.GetName())] = 1
		}
		if !validSetting(text) {
			return nil, fault.Field(fmt.Sprintf("settings[%d].default_value", i), settingForm)
		}
		settings[setting.GetName()] = text
	}
	for {
		filled := proto.CloneOf(preset.GetEncryption())
		f := newFiller(secrets, settings)
		f.message("encryption", filled.ProtoReflect())
		acknowledgeAll(filled, now)
		config, err := payload.Parse(filled, madeUpWorkspace, now)
		if err = violation.Merge(under("encryption", server.Validate(filled)), err); err == nil {
			return config, nil
		}
		if !next(preset, settings, tried, f.origins, err) {
			return nil, err
		}
	}
}

// next chooses the next made-up string for each setting that violations come from. It returns
// false if that changes nothing.
func next(preset *allowlistv1.Preset, settings map[string]string, tried map[string]int, from origins, err error) (changed bool) {
	f, ok := fault.From(err)
	if !ok {
		return false
	}
	for _, setting := range preset.GetSettings() {
		field := violation.Entry(fieldSettings, setting.GetName())
		n := tried[field]
		wrong := slices.ContainsFunc(f.Violations, func(v fault.Violation) bool { return from.field(v.Field) == field })
		if wrong && n > 0 && n < len(madeUp) {
			settings[setting.GetName()], tried[field], changed = madeUp[n], n+1, true
		}
	}
	return changed
}

// acknowledgeAll acknowledges the unsafe choices of a configuration.
func acknowledgeAll(pb *allowlistv1.Encryption, now time.Time) {
	expires := timestamppb.New(now.AddDate(0, 1, 0))
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		payload.Acknowledge(profile, "a check of a preset", expires)
	}
}

// usages checks that the secrets have the usages that the configuration needs.
func usages(preset *allowlistv1.Preset, config *payload.Config) error {
	need := make(map[string]string)
	for _, ref := range config.References() {
		name := ref.Secret[strings.LastIndexByte(ref.Secret, '/')+1:]
		switch ref.Usage {
		case payload.ParameterUsage:
			need[name] = "PARAMETER"
		case payload.ExposedKeyUsage:
			need[name] = "EXPOSED_KEY"
		default:
			need[name] = "KEY"
		}
	}
	for i, secret := range preset.GetSecrets() {
		if want := need[secret.GetName()]; secret.GetUsage() != want {
			return fmt.Errorf("secrets[%d].usage: must be %s", i, want)
		}
	}
	return nil
}

// under returns a fault with its fields below a path.
func under(path string, err error) error {
	return violation.Name(err, func(field string) string { return path + "." + field })
}

// plain returns an error with the violations of a fault only, each on its own line.
func plain(err error) error {
	f, ok := fault.From(err)
	if !ok {
		return err
	}
	errs := make([]error, len(f.Violations))
	for i, v := range f.Violations {
		errs[i] = errors.New(v.Field + ": " + v.Description)
	}
	if len(errs) == 0 {
		return errors.New(f.Message)
	}
	return errors.Join(errs...)
}
