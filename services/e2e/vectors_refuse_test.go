package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// refusedConfiguration checks that a profile that was refused when it was saved must be refused:
// for its keys or for its IV, such as an IV that repeats under GCM.
func (t *trial) refusedConfiguration(err error) {
	t.Helper()
	fields := violatedFields(err)
	for _, field := range fields {
		if !strings.Contains(field, "key") && !strings.Contains(field, ".iv") {
			t.Fatalf("CreateEndpoint: %v", describe(err))
		}
	}
	malformed, unusable := errorReason(err) == "INVALID_FIELD" && len(fields) > 0, errorReason(err) == "KEY_NOT_USABLE"
	if t.v.Expect != "reject" || !malformed && !unusable {
		t.Errorf("CreateEndpoint, ActivateEndpoint: %v", describe(err))
	}
	t.silent(err)
}

// refused checks that a message is refused with one answer that reveals nothing.
func (t *trial) refused() {
	t.Helper()
	got, err := t.decrypt([]byte(t.v.Output.Body), t.v.Output.Headers)
	// If the key is invalid, the message does not matter.
	if reason := errorReason(err); reason != "DECRYPTION_FAILED" && reason != "KEY_NOT_USABLE" || got != "" {
		t.Errorf("Decrypt = %q, %v, want DECRYPTION_FAILED", got, describe(err))
	}
	t.silent(err)
}

// refusedToEncrypt checks that a body that does not fit the profile is not sent.
func (t *trial) refusedToEncrypt() {
	t.Helper()
	sent, err := t.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
		Name: t.endpoint, Kind: t.kind, Body: []byte(t.v.Plaintext), Context: t.context(),
	})
	if reason := errorReason(err); reason != "BODY_NOT_ENCRYPTABLE" && reason != "KEY_NOT_USABLE" || len(sent.GetBody()) > 0 {
		t.Errorf("Encrypt = %q, %v, want BODY_NOT_ENCRYPTABLE", sent.GetBody(), describe(err))
	}
	t.silent(err)
}

// silent checks that an error contains no part of the plaintext or a secret.
func (t *trial) silent(err error) {
	t.Helper()
	text := describe(err)
	words := []string{t.v.Plaintext}
	for _, secret := range t.v.Secrets {
		words = append(words, secret.Value)
	}
	for _, w := range words {
		raw := []byte(w)
		for _, shape := range []string{w, hex.EncodeToString(raw), base64.StdEncoding.EncodeToString(raw)} {
			if len(w) >= 8 && strings.Contains(text, shape) {
				t.Error("the error reveals plaintext or a secret")
			}
		}
	}
}

func describe(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprint(err, " ", status.Convert(err).Details())
}

func errorReason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

func errorMetadata(err error) map[string]string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()
		}
	}
	return nil
}

func violatedFields(err error) []string {
	var fields []string
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			for _, violation := range bad.GetFieldViolations() {
				fields = append(fields, violation.GetField())
			}
		}
	}
	return fields
}
