package exchange_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// cbcOf encrypts whole blocks under version 1 of a key and an IV of zeros.
func cbcOf(t testing.TB, plaintext string) string {
	t.Helper()
	block, err := aes.NewCipher(allowlisttest.KeyOf(1))
	allowlisttest.Must(t, err)
	out := make([]byte, aes.BlockSize+len(plaintext))
	cipher.NewCBCEncrypter(block, out[:aes.BlockSize]).CryptBlocks(out[aes.BlockSize:], []byte(plaintext))
	return base64.StdEncoding.EncodeToString(out)
}

// Owners and senders see that a message under CBC without a MAC failed to decrypt, and not why.
func TestRecentFailuresAreNoPaddingOracle(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.Configured(t, "orders", `request { cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:key" } } } selection { fields { paths: "$.v" paths: "$.w" } } }`)
	k.Activate(t, "orders")
	good := cbcOf(t, `"x"`+strings.Repeat("\x0d", 13))
	var answers, stages []string
	for name, v := range map[string]string{
		"a wrong padding":   fmt.Sprintf(`{"v":"%s","w":"%s"}`, cbcOf(t, strings.Repeat("x", 16)), good),
		"no JSON":           fmt.Sprintf(`{"v":"%s","w":"%s"}`, cbcOf(t, "nope"+strings.Repeat("\x0c", 12)), good),
		"good, then layout": fmt.Sprintf(`{"v":"%s","w":"!"}`, good),
		"bad, then layout":  fmt.Sprintf(`{"v":"%s","w":"!"}`, cbcOf(t, strings.Repeat("x", 16))),
	} {
		_, err := k.Open(t, "orders", []byte(v), allowlisttest.Request)
		if err == nil {
			t.Fatalf("%s: the message decrypts", name)
		}
		f := k.Owner.Get(t, "orders").GetRecentFailures()[0]
		answers = append(answers, err.Error())
		stages = append(stages, f.GetStage()+" "+strings.Join(f.GetVersions(), " "))
	}
	for i := range answers {
		if diff := cmp.Diff(answers[0]+stages[0], answers[i]+stages[i]); diff != "" {
			t.Errorf("failures can be distinguished (-one +another):\n%s", diff)
		}
	}
	if got := k.Labeled(t, "keyward_message_failures_total", "decrypt"); got != 4 {
		t.Errorf("the metric counts %v failures at one stage, want 4", got)
	}
	counts := k.Owner.Get(t, "orders").GetKeyUses()
	if len(counts) != 1 {
		t.Errorf("the uses of keys are %v, want one row", counts)
	}
	if _, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Request, Body: fmt.Appendf(nil, `{"v":"%s","w":"%s"}`, good, good),
	}); err != nil {
		t.Errorf("a good message = %v", err)
	}
}
