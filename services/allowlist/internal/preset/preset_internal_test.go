package preset

import (
	"strings"
	"testing"
)

func TestPresetsThatDoNotFitTogetherAreRefused(t *testing.T) {
	t.Parallel()
	const whole = `{"id":"p","encryption":{"request":{"signing":{"mac":{"algorithm":"ALGORITHM_HMAC_SHA256"},
		"keys":[{"name":"workspaces/-/secrets/key"}],"headers":{"X-S":"{{prefix}}${signature}"}}}},
		"secrets":[{"name":"key"}],"settings":[{"name":"prefix"}]}`
	if _, err := parse("p", []byte(whole)); err != nil {
		t.Fatalf("parse: %v", err)
	}
	tests := []struct{ name, old, new string }{
		{"no JSON", `{"id"`, `{id`},
		{"an unknown field", `"id":"p"`, `"id":"p","name":"n"`},
		{"another id", `"id":"p"`, `"id":"q"`},
		{"a reference without a secret", `secrets/key`, `secrets/other`},
		{"a secret without a reference", `{"name":"key"}]`, `{"name":"key"},{"name":"other"}]`},
		{"a placeholder without a setting", `{{prefix}}`, `{{other}}`},
		{"a setting without a placeholder", `{{prefix}}`, ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse("p", []byte(strings.Replace(whole, test.old, test.new, 1))); err == nil {
				t.Error("parse accepted it")
			}
		})
	}
}

func TestPurposesThatDependOnASettingAreLeftOut(t *testing.T) {
	t.Parallel()
	preset, err := parse("p", []byte(`{"id":"p","encryption":{"request":{"signing":{"mac":{"algorithm":"ALGORITHM_HMAC_SHA256"},
		"keys":[{"name":"workspaces/-/secrets/mac"}]},"cipher":{"algorithm":"ALGORITHM_AES_256_GCM","sharedKey":{
		"keys":[{"name":"workspaces/-/secrets/derived"}],"derivation":{"hkdf":{"info":"{{info}}"}}}}},
		"response":{"cipher":{"algorithm":"ALGORITHM_AES_128_CBC","iv":{"source":"SOURCE_KEY_PREFIX"},
		"sharedKey":{"keys":[{"name":"workspaces/-/secrets/exposed"}]}}}},
		"secrets":[{"name":"derived"},{"name":"exposed"},{"name":"mac"}],"settings":[{"name":"info"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := preset.GetKeyPurposes(); len(got) != 1 || got[0].GetSecret() != "mac" || len(got[0].GetChains()) != 1 {
		t.Errorf("the purposes are %v, want only that of the MAC key", got)
	}
}
