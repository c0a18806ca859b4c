package allowlist_test

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// largest is the length of the largest body that Encrypt takes.
const largest = 16 << 20

func TestLargestBodyGoesBothWays(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	body := bytes.Repeat([]byte("0123456789abcdef"), largest/16)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: body})
	if len(sent.GetBody()) <= largest {
		t.Fatalf("the encrypted body has %d bytes, want more than that of Encrypt", len(sent.GetBody()))
	}
	opened, err := k.Open(t, "orders", sent.GetBody(), allowlistv1.MessageKind_MESSAGE_KIND_REQUEST)
	if err != nil || !bytes.Equal(opened.GetBody(), body) {
		t.Errorf("Decrypt() = %d bytes, %v, want the body", len(opened.GetBody()), err)
	}
}

func TestLargerBodiesAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: make([]byte, largest+1)})
	if got := servertest.Reason(err); status.Code(err) != codes.InvalidArgument || got != "INVALID_FIELD" {
		t.Errorf("Encrypt(16 MiB + 1) = %v %s, want INVALID_FIELD", status.Code(err), got)
	}
	tooLong := []byte(strings.Repeat("A", 36<<20+1))
	_, err = k.Open(t, "orders", tooLong, allowlistv1.MessageKind_MESSAGE_KIND_REQUEST)
	if got := servertest.Reason(err); status.Code(err) != codes.InvalidArgument || got != "INVALID_FIELD" {
		t.Errorf("Decrypt(36 MiB + 1) = %v %s, want INVALID_FIELD", status.Code(err), got)
	}
	_, err = k.Open(t, "orders", make([]byte, 38<<20), allowlistv1.MessageKind_MESSAGE_KIND_REQUEST)
	if got := servertest.Reason(err); status.Code(err) != codes.ResourceExhausted || got != "MESSAGE_TOO_LARGE" {
		t.Errorf("Decrypt(38 MiB) = %v %s, want MESSAGE_TOO_LARGE", status.Code(err), got)
	}
}
