package allowlisttest

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// HeadersOf returns headers by their names in lower case.
func HeadersOf(headers []*allowlistv1.Parameter) map[string]string {
	all := make(map[string]string)
	for _, h := range headers {
		all[strings.ToLower(h.GetName())] = h.GetValue()
	}
	return all
}

// WithPreset is an endpoint whose encryption begins with a preset.
func WithPreset(use *allowlistv1.PresetUse) *allowlistv1.Endpoint {
	e := Draft()
	e.Encryption = &allowlistv1.Encryption{Preset: use}
	return e
}

// Signed is an endpoint whose messages are signed as they stand in a request, besides
// what else it has.
func Signed(e *allowlistv1.Endpoint, secret string) *allowlistv1.Endpoint {
	if e.GetEncryption() == nil {
		e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{}}
	}
	e.Encryption.Request.Signing = &allowlistv1.Signing{
		Scheme: &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:   []*allowlistv1.SecretRef{{Name: secret}},
		Input:  "${id}.${timestamp}.${method} ${host}${path}?${query}.${body}",
		Headers: map[string]string{
			"X-Id": "${id}", "X-Time": "${timestamp}", "X-Signature": "${signature}",
		},
	}
	return e
}
