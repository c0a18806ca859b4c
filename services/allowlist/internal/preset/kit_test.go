package preset_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
	"github.com/keyward/keyward/services/allowlist/internal/preset/catalog"
)

// now is the default time of the tests.
var now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// place is the prefix of the tests' secrets.
const place = "workspaces/acme/secrets/"

// library returns the presets.
func library(t testing.TB) *preset.Library {
	t.Helper()
	l, err := preset.New()
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return l
}

// use returns a complete use of a preset: with all its secrets, a string for each setting without
// a default, and an acknowledgement if it needs one.
func use(p *allowlistv1.Preset) *allowlistv1.PresetUse {
	u := &allowlistv1.PresetUse{Id: p.GetId(), Secrets: map[string]*allowlistv1.SecretRef{}, Settings: map[string]string{}}
	for _, secret := range p.GetSecrets() {
		u.Secrets[secret.GetName()] = &allowlistv1.SecretRef{Name: place + secret.GetName()}
	}
	for _, setting := range p.GetSettings() {
		if setting.DefaultValue == nil {
			u.Settings[setting.GetName()] = "$.text" // valid as a path and as a key ID
		}
	}
	if len(p.GetLegacy()) > 0 {
		u.LegacyReason, u.LegacyExpireTime = "the partner's specification", timestamppb.New(now.AddDate(1, 0, 0))
	}
	return u
}

// compile compiles a use.
func compile(t testing.TB, l *preset.Library, u *allowlistv1.PresetUse) *payload.Config {
	t.Helper()
	draft, err := l.Parse(&allowlistv1.Encryption{Preset: u}, "acme", now)
	if err != nil {
		t.Fatalf("Parse(%s): %v", u.GetId(), err)
	}
	return draft.Config()
}

// A testAnswer is a message that another tool created.
type testAnswer struct{ answer.Answer }

// answers returns all answers.
func answers(t testing.TB) []testAnswer {
	t.Helper()
	known, err := catalog.Below("..").Answers()
	if err != nil {
		t.Fatal(err)
	}
	list := make([]testAnswer, len(known))
	for i, a := range known {
		list[i] = testAnswer{a}
	}
	return list
}

// pipeline returns the direction of the answer's preset.
func (a testAnswer) pipeline(t testing.TB, l *preset.Library) *payload.Pipeline {
	t.Helper()
	config, direction, err := a.Pipeline(l, now)
	if err != nil {
		t.Fatal(err)
	}
	return config.Pipeline(direction)
}

// config compiles the answer's preset.
func (a testAnswer) config(t testing.TB, l *preset.Library) *payload.Config {
	t.Helper()
	config, _, err := a.Pipeline(l, now)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// input returns the input of a call with the keys of the references.
func (a testAnswer) input(t testing.TB, refs []payload.Reference, body string, headers payload.Headers) payload.Input {
	t.Helper()
	in, err := a.Input(refs, body, headers, now)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// received returns the input of a call with a received message.
func (a testAnswer) received(t testing.TB, refs []payload.Reference, body string, headers payload.Headers, query map[string]string) payload.Input {
	t.Helper()
	in, err := a.Received(refs, body, headers, query, now)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// find returns the preset with an ID.
func find(t testing.TB, l *preset.Library, id string) *allowlistv1.Preset {
	t.Helper()
	for _, p := range l.List() {
		if p.GetId() == id {
			return p
		}
	}
	t.Fatalf("there is no preset %s", id)
	return nil
}
