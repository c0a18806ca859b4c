package tryout_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
)

// now is the moment of all tests.
var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// presets returns all presets, written out for secrets of a workspace.
func presets(t *testing.T) []*allowlistv1.Preset {
	t.Helper()
	library, err := preset.New()
	if err != nil {
		t.Fatal(err)
	}
	all := library.List()
	for _, p := range all {
		use := &allowlistv1.PresetUse{
			Id: p.GetId(), Secrets: make(map[string]*allowlistv1.SecretRef), Settings: make(map[string]string),
		}
		if len(p.GetLegacy()) > 0 {
			use.LegacyReason, use.LegacyExpireTime = "a test", timestamppb.New(now.AddDate(1, 0, 0))
		}
		for _, secret := range p.GetSecrets() {
			use.Secrets[secret.GetName()] = &allowlistv1.SecretRef{Name: "workspaces/acme/secrets/" + strings.ReplaceAll(secret.GetName(), "_", "-")}
		}
		for _, setting := range p.GetSettings() {
			if setting.GetDefaultValue() == "" {
				use.Settings[setting.GetName()] = "$.text" // a path, which is also a valid key ID
			}
		}
		draft, err := library.Parse(&allowlistv1.Encryption{Preset: use}, "acme", now)
		if err != nil {
			t.Fatalf("Parse(%s): %v", p.GetId(), err)
		}
		p.Encryption = draft.Config().Proto()
	}
	return all
}

// sampleOf returns a sample that contains the values that a configuration selects.
func sampleOf(t *testing.T, pb *allowlistv1.Encryption, direction payload.Direction) tryout.Sample {
	t.Helper()
	config, err := payload.Parse(pb, "acme", now)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	profile := pb.GetRequest()
	if direction == payload.Response && pb.GetResponse() != nil {
		profile = pb.GetResponse()
	}
	at := tryout.SampleContext(profile)
	at.ID, at.Method, at.Host, at.Path = "msg_4711", "POST", "api.partner.example", "/v1/pay"
	return tryout.Sample{
		Config: config, Direction: direction, Now: now, Body: tryout.SampleBody(profile), ContentType: "application/json", Context: at,
	}
}
