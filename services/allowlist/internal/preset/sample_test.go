package preset_test

import (
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
)

// No preset needs a sample of its own before activation.
func TestAMadeUpBodyFitsEveryPreset(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, a := range answers(t) {
		t.Run(a.Preset+"/"+a.Direction, func(t *testing.T) {
			t.Parallel()
			pb := a.config(t, l).Proto()
			profile, direction := pb.GetRequest(), payload.Request
			if a.Direction == "response" {
				profile, direction = pb.GetResponse(), payload.Response
			}
			body := tryout.SampleBody(profile)
			p := a.config(t, l).Pipeline(direction)
			made := tryout.SampleContext(profile)
			a.Context.Query, a.Context.Values, a.Context.Headers = made.Query, made.Values, made.Headers
			sent, err := p.Encrypt(a.input(t, p.EncryptReferences(), string(body), nil))
			if err != nil {
				t.Fatalf("Encrypt(%s): %v", body, err)
			}
			if _, err := p.Decrypt(a.received(t, p.DecryptReferences(), string(sent.Body), answer.Came(sent.Headers), answer.ByName(sent.Query))); err != nil {
				t.Errorf("Decrypt: %v", err)
			}
		})
	}
}
