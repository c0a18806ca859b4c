package allowlisttest

import (
	"fmt"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// Diagnosed returns the differences that a diagnosis finds, such as
// `request.cipher.padding: PKCS7 -> ZERO`.
func (k *Kit) Diagnosed(t testing.TB, req *allowlistv1.DiagnoseSampleRequest) (found bool, differences string, tried uint32) {
	t.Helper()
	req.Reason = "it does not open"
	resp, err := k.Owner.DiagnoseSample(t.Context(), req)
	Must(t, err)
	var texts []string
	for _, d := range resp.GetDifferences() {
		texts = append(texts, fmt.Sprintf("%s: %s -> %s", d.GetField(), d.GetConfigured(), d.GetWorks()))
	}
	return resp.GetFound(), strings.Join(texts, "; "), resp.GetTried()
}
