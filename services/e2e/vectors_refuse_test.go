package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// refusedConfiguration checks that a profile is refused when it is saved.
func (t *trial) refusedConfiguration() {
	t.Helper()
	_, err := t.owner.CreateEndpoint(t.Context(), t.createRequest())
	if errorReason(err) != "INVALID_ENCRYPTION" && errorReason(err) != "INVALID_FIELD" {
		t.Errorf("CreateEndpoint of what must not be: %v, want it refused", describe(err))
	}
	t.silent(err)
}

// refused checks that a message is refused with one answer that gives nothing away.
func (t *trial) refused() {
	t.Helper()
	got, err := t.decrypt([]byte(t.v.Output.Body), t.v.Output.Headers)
	if errorReason(err) != "DECRYPTION_FAILED" || got != "" {
		t.Errorf("Decrypt = %q, %v, want DECRYPTION_FAILED", got, describe(err))
	}
	t.silent(err)
}

// silent checks that an error holds nothing of the plaintext or a secret.
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
				t.Error("the error gives away plaintext or a secret")
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
