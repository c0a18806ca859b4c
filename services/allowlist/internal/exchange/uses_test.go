package exchange_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func wantCounts(t testing.TB, what string, got map[string]bool, want ...string) {
	t.Helper()
	all := make(map[string]bool)
	for _, w := range want {
		all[w] = true
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestUsesOfKeysAreCountedAndReported(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key, mac := k.Secret(t, "key", allowlisttest.KeyOf(1)...), k.Secret(t, "mac")
	token := k.Credential(t, "token", "sesame", allowlisttest.Partner)
	e := allowlisttest.Signed(allowlisttest.Draft(key), mac)
	e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("Authorization", token)}
	k.Active(t, "orders", e)
	wantCounts(t, "before the first message", k.Owner.Counts(t, "orders"))
	var sent *allowlistv1.EncryptResponse
	for range 3 {
		sent = k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	}
	k.Rotate(t, key, 2)
	opened := func(headers map[string]string, body []byte) bool {
		_, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Request, Body: body, Headers: headers})
		return err == nil
	}
	allowlisttest.Eventually(t, func() bool {
		fresh := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
		return allowlisttest.Opens(t, 2, fresh.GetBody())
	}, "the rotation is not in use")
	headers := allowlisttest.HeadersOf(sent.GetHeaders())
	delete(headers, "authorization")
	if !opened(headers, sent.GetBody()) {
		t.Error("the previous version does not decrypt")
	}
	before := k.Owner.Counts(t, "orders")
	if opened(nil, sent.GetBody()) || opened(headers, []byte("hello")) {
		t.Error("a message without its signature decrypts")
	}
	used := k.Owner.Get(t, "orders").GetKeyUses()
	totals := make(map[string]*allowlistv1.KeyUse)
	for _, use := range used {
		totals[fmt.Sprintf("%s/versions/%d", use.GetSecret(), use.GetVersion())] = use
	}
	if n := totals[key+"/versions/1"].GetUsed(); n < 4 || totals[mac+"/versions/1"].GetFailed() != 2 || totals[mac+"/versions/1"].GetUsed() < 5 ||
		totals[token+"/versions/1"].GetUsed() < 4 || totals[key+"/versions/2"].GetUsed() != 1 || len(totals) != 4 {
		t.Errorf("uses = %v, before the failures %v", used, before)
	}
	if seen := k.Member.Get(t, "orders"); len(seen.GetKeyUses()) > 0 || len(seen.GetRecentFailures()) > 0 {
		t.Error("members see how keys are used")
	}

	k.Restart(t)
	after := k.Owner.Get(t, "orders").GetKeyUses()
	if len(after) != len(used) {
		t.Errorf("after a restart uses = %v, want %v", after, used)
	}
	for _, use := range after { // the closing allowlist has reported them
		name := fmt.Sprintf("%s/versions/%d", use.GetSecret(), use.GetVersion())
		if use.GetUsed() != totals[name].GetUsed() || use.GetFailed() != totals[name].GetFailed() {
			t.Errorf("after a restart %s was used %v, want %v", name, use, totals[name])
		}
		if v := k.Version(t, name); v.GetUseCount() != use.GetUsed() || v.GetFailureCount() != use.GetFailed() || !v.GetLastUseTime().IsValid() {
			t.Errorf("the vault shows %v, want %v", v, use)
		}
	}
}

func TestUsesAreKeptWithoutTheVaultAndReportedLater(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	_, err := k.EncryptOrder(t)
	allowlisttest.Must(t, err)
	k.VaultServer.Stop()
	if err := k.Allowlist.Flush(t.Context()); err == nil {
		t.Error("Flush without the vault succeeds")
	}
	wantCounts(t, "without the vault", k.Owner.Counts(t, "orders"), "key/1=1,0")
	k.StartVault(t)
	allowlisttest.Eventually(t, func() bool { return k.Allowlist.Flush(t.Context()) == nil }, "Flush does not work again")
	if v := k.Version(t, secret+"/versions/1"); v.GetUseCount() != 1 {
		t.Errorf("the vault shows %d uses, want 1", v.GetUseCount())
	}
}

func TestADeletedEndpointLeavesNoCountsBehind(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	kept := allowlisttest.Draft(secret)
	k.Active(t, "kept", kept)
	for _, id := range []string{"orders", "kept"} {
		k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
	}
	allowlisttest.Must(t, k.Allowlist.Flush(t.Context()))
	if got := k.Stored(t, "use"); got != 2 {
		t.Fatalf("there are %d totals, want 2", got)
	}
	k.Owner.Delete(t, "orders")
	allowlisttest.Eventually(t, func() bool { return k.Stored(t, "use") == 1 }, "the totals of the deleted endpoint stay")
	allowlisttest.Eventually(t, func() bool {
		k.Clock.Advance(time.Minute)
		return k.Stored(t, "farewell") == 0
	}, "the deleted endpoint is never forgotten")
	wantCounts(t, "the other endpoint", k.Owner.Counts(t, "kept"), "key/1=1,0")

	// The cleanup survives a crash right after the deletion.
	k.Owner.Delete(t, "kept")
	k.Restart(t)
	allowlisttest.Eventually(t, func() bool { return k.Stored(t, "use") == 0 }, "the totals stay after a restart")
}

func TestOwnersSeeWhereMessagesOfThePartnerStopped(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key, mac := k.Secret(t, "key", allowlisttest.KeyOf(1)...), k.Secret(t, "mac")
	k.Active(t, "orders", allowlisttest.Signed(allowlisttest.Draft(key), mac))
	const canary = "what-the-partner-sent"
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(canary)})
	sealed, err := base64.StdEncoding.DecodeString(string(sent.GetBody()))
	allowlisttest.Must(t, err)
	sealed[len(sealed)-1] ^= 1
	bent := []byte(base64.StdEncoding.EncodeToString(sealed))
	for _, tt := range []struct {
		stage    string
		kind     allowlistv1.MessageKind
		body     []byte
		versions []string
	}{
		{"signature", allowlisttest.Request, []byte(canary), []string{mac + "/versions/1"}},
		{"decode", allowlisttest.Response, []byte("!" + canary), nil},
		{"decrypt", allowlisttest.Response, bent, []string{key + "/versions/1"}},
	} {
		_, err := k.Open(t, "orders", tt.body, tt.kind)
		if err == nil {
			t.Fatalf("%s: the message decrypts", tt.stage)
		}
		e := k.Owner.Get(t, "orders")
		f := e.GetRecentFailures()[0]
		hash := sha256.Sum256(tt.body)
		if f.GetBodySha256() != hex.EncodeToString(hash[:]) || int(f.GetBodyBytes()) != len(tt.body) || !f.GetTime().IsValid() || f.GetRequestId() == "" {
			t.Errorf("%s: the failure is %v", tt.stage, f)
		}
		if f.GetStage() != tt.stage {
			t.Errorf("the stage is %s, want %s", f.GetStage(), tt.stage)
		}
		if diff := cmp.Diff(tt.versions, f.GetVersions()); diff != "" {
			t.Errorf("%s: versions (-want +got):\n%s", tt.stage, diff)
		}
		servertest.MustNotHold(t, "the endpoint", prototext.Format(e), canary)
		servertest.MustNotHold(t, "the error", err.Error(), canary)
	}
	if got := len(k.Owner.Get(t, "orders").GetRecentFailures()); got != 3 {
		t.Errorf("there are %d failures, want 3", got)
	}
	for range 20 {
		_, _ = k.Open(t, "orders", bent, allowlisttest.Response) // fails as before
	}
	if got := len(k.Owner.Get(t, "orders").GetRecentFailures()); got != 16 {
		t.Errorf("there are %d failures, want the last 16", got)
	}
	if got := k.Labeled(t, "keyward_message_failures_total", "decrypt"); got != 21 {
		t.Errorf("the metric counts %v failures, want 21", got)
	}
	servertest.MustNotHold(t, "the log", k.Env.Log.String(), canary)
}
