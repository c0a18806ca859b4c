package exchange_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// A message under an unexpected IV decrypts with its first block garbled. This is detected if the
// content type is JSON.
func TestGarbledJSONIsRefusedAndAllElseIsWarnedOf(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	const text = `request { cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:key" } } iv { source: SOURCE_ZERO } } }`
	garbled := []byte(cbcOf(t, `{"amount":100}`+strings.Repeat("\x02", 2))) // its IV is one more block
	for id, contentType := range map[string]string{"json": "application/json; charset=utf-8", "text": "text/plain"} {
		k.Configured(t, id, text)
		saved, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf(id), ContentType: contentType}, "content_type")
		allowlisttest.Must(t, err)
		k.Activate(t, id)
		warnings := len(saved.GetWarnings())
		if got := k.Owner.Get(t, id).GetWarnings(); len(got) != warnings || id == "text" && (warnings != 1 || got[0].GetField() != "encryption.request.cipher") {
			t.Errorf("%s: the warnings are %v after %d", id, got, warnings)
		}
		switch opened, err := k.Open(t, id, garbled, allowlisttest.Request); id {
		case "json":
			allowlisttest.WantError(t, "Decrypt of garbled JSON", err, codes.InvalidArgument, "DECRYPTION_FAILED")
			if stage := k.Owner.Get(t, id).GetRecentFailures()[0].GetStage(); stage != "decrypt" || warnings != 0 {
				t.Errorf("it stops at %q, with %d warnings", stage, warnings)
			}
		default:
			if allowlisttest.Must(t, err); !strings.HasSuffix(string(opened.GetBody()), `{"amount":100}`) {
				t.Errorf("Decrypt of garbled text = %q", opened)
			}
		}
	}
	list, err := k.Owner.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: allowlisttest.Workspace})
	allowlisttest.Must(t, err)
	for _, e := range list.GetEndpoints() {
		if len(e.GetWarnings()) > 0 {
			t.Errorf("the list has warnings: %v", e)
		}
	}
}
