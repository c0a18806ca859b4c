package allowlisttest

import (
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

const (
	Request  = allowlistv1.MessageKind_MESSAGE_KIND_REQUEST
	Response = allowlistv1.MessageKind_MESSAGE_KIND_RESPONSE
)

func (c Client) MustEncrypt(t testing.TB, req *allowlistv1.EncryptRequest) *allowlistv1.EncryptResponse {
	t.Helper()
	resp, err := c.Encrypt(t.Context(), req)
	Must(t, err)
	return resp
}
