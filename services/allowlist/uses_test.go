package allowlist_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// counts returns the key uses of an endpoint as `secret/version=used,failed`.
func (c client) counts(t testing.TB, id string) map[string]bool {
	t.Helper()
	counts := make(map[string]bool)
	for _, use := range c.get(t, id).GetKeyUses() {
		_, secret, _ := strings.Cut(use.GetSecret(), "/secrets/")
		counts[fmt.Sprintf("%s/%d=%d,%d", secret, use.GetVersion(), use.GetUsed(), use.GetFailed())] = true
		if (use.GetUsed() > 0) != use.GetLastUseTime().IsValid() {
			t.Errorf("%s was used %d times, the last time at %v", secret, use.GetUsed(), use.GetLastUseTime())
		}
	}
	return counts
}

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
	k := newKit(t)
	key, mac := k.secret(t, "key", keyOf(1)...), k.secret(t, "mac")
	token := k.credential(t, "token", "sesame", partner)
	e := signed(draft(key), mac)
	e.Headers = []*allowlistv1.Parameter{referring("Authorization", token)}
	k.active(t, "orders", e)
	wantCounts(t, "before the first message", k.owner.counts(t, "orders"))
	var sent *allowlistv1.EncryptResponse
	for range 3 {
		sent = k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	}
	k.rotate(t, key, 2)
	opened := func(headers map[string]string, body []byte) bool {
		_, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Kind: request, Body: body, Headers: headers})
		return err == nil
	}
	eventually(t, func() bool {
		fresh := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
		return opens(t, 2, fresh.GetBody())
	}, "the rotation is not in use")
	headers := headersOf(sent.GetHeaders())
	delete(headers, "authorization")
	if !opened(headers, sent.GetBody()) {
		t.Error("the version before does not open")
	}
	before := k.owner.counts(t, "orders")
	if opened(nil, sent.GetBody()) || opened(headers, []byte("hello")) {
		t.Error("a message without its signature opens")
	}
	used := k.owner.get(t, "orders").GetKeyUses()
	totals := make(map[string]*allowlistv1.KeyUse)
	for _, use := range used {
		totals[fmt.Sprintf("%s/versions/%d", use.GetSecret(), use.GetVersion())] = use
	}
	if n := totals[key+"/versions/1"].GetUsed(); n < 4 || totals[mac+"/versions/1"].GetFailed() != 2 || totals[mac+"/versions/1"].GetUsed() < 5 ||
		totals[token+"/versions/1"].GetUsed() < 4 || totals[key+"/versions/2"].GetUsed() != 1 || len(totals) != 4 {
		t.Errorf("uses = %v, before the failures %v", used, before)
	}
	if seen := k.member.get(t, "orders"); len(seen.GetKeyUses()) > 0 || len(seen.GetRecentFailures()) > 0 {
		t.Error("members see how keys are used")
	}

	k.restart(t)
	after := k.owner.get(t, "orders").GetKeyUses()
	if len(after) != len(used) {
		t.Errorf("after a restart uses = %v, want %v", after, used)
	}
	for _, use := range after { // the closing allowlist has reported them
		name := fmt.Sprintf("%s/versions/%d", use.GetSecret(), use.GetVersion())
		if use.GetUsed() != totals[name].GetUsed() || use.GetFailed() != totals[name].GetFailed() {
			t.Errorf("after a restart %s was used %v, want %v", name, use, totals[name])
		}
		if v := k.version(t, name); v.GetUseCount() != use.GetUsed() || v.GetFailureCount() != use.GetFailed() || !v.GetLastUseTime().IsValid() {
			t.Errorf("the vault shows %v, want %v", v, use)
		}
	}
}

// version returns a version as the vault shows it.
func (k *kit) version(t testing.TB, name string) *vaultv1.SecretVersion {
	t.Helper()
	secret, _, _ := strings.Cut(name, "/versions/")
	resp, err := k.secrets.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: secret})
	must(t, err)
	for _, v := range resp.GetVersions() {
		if v.GetName() == name {
			return v
		}
	}
	t.Fatalf("the vault does not show %s", name)
	return nil
}

func TestUsesAreKeptWithoutTheVaultAndReportedLater(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	_, err := k.encryptOrder(t)
	must(t, err)
	k.vaultServer.Stop()
	if err := k.allowlist.Flush(t.Context()); err == nil {
		t.Error("Flush without the vault succeeds")
	}
	wantCounts(t, "without the vault", k.owner.counts(t, "orders"), "key/1=1,0")
	k.startVault(t)
	eventually(t, func() bool { return k.allowlist.Flush(t.Context()) == nil }, "Flush does not work again")
	if v := k.version(t, secret+"/versions/1"); v.GetUseCount() != 1 {
		t.Errorf("the vault shows %d uses, want 1", v.GetUseCount())
	}
}

func TestADeletedEndpointLeavesNoCountsBehind(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.orders(t)
	kept := draft(secret)
	k.active(t, "kept", kept)
	for _, id := range []string{"orders", "kept"} {
		k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")})
	}
	must(t, k.allowlist.Flush(t.Context()))
	if got := k.stored(t, "use"); got != 2 {
		t.Fatalf("there are %d totals, want 2", got)
	}
	k.owner.delete(t, "orders")
	eventually(t, func() bool { return k.stored(t, "use") == 1 }, "the totals of the deleted endpoint stay")
	eventually(t, func() bool {
		k.clock.advance(time.Minute)
		return k.stored(t, "farewell") == 0
	}, "the deleted endpoint is never forgotten")
	wantCounts(t, "the other endpoint", k.owner.counts(t, "kept"), "key/1=1,0")

	// A crash right after the deletion forgets nothing of that.
	k.owner.delete(t, "kept")
	k.restart(t)
	eventually(t, func() bool { return k.stored(t, "use") == 0 }, "the totals stay after a restart")
}

// stored returns how many records the allowlist has in a key space.
func (k *kit) stored(t testing.TB, space string) int {
	t.Helper()
	n := 0
	must(t, k.store.View(t.Context(), func(reader kv.Reader) error {
		n = 0
		for _, err := range reader.Scan(kv.Prefix(kv.NewKey(space), 1000)) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}

func TestOwnersSeeWhereMessagesOfThePartnerStopped(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key, mac := k.secret(t, "key", keyOf(1)...), k.secret(t, "mac")
	k.active(t, "orders", signed(draft(key), mac))
	const canary = "what-the-partner-sent"
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(canary)})
	sealed, err := base64.StdEncoding.DecodeString(string(sent.GetBody()))
	must(t, err)
	sealed[len(sealed)-1] ^= 1
	bent := []byte(base64.StdEncoding.EncodeToString(sealed))
	for _, tt := range []struct {
		stage    string
		kind     allowlistv1.MessageKind
		body     []byte
		versions []string
	}{
		{"signature", request, []byte(canary), []string{mac + "/versions/1"}},
		{"decode", response, []byte("!" + canary), nil},
		{"decrypt", response, bent, []string{key + "/versions/1"}},
	} {
		_, err := k.open(t, "orders", tt.body, tt.kind)
		if err == nil {
			t.Fatalf("%s: the message opens", tt.stage)
		}
		e := k.owner.get(t, "orders")
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
	if got := len(k.owner.get(t, "orders").GetRecentFailures()); got != 3 {
		t.Errorf("there are %d failures, want 3", got)
	}
	for range 20 {
		_, _ = k.open(t, "orders", bent, response) // fails as before
	}
	if got := len(k.owner.get(t, "orders").GetRecentFailures()); got != 16 {
		t.Errorf("there are %d failures, want the last 16", got)
	}
	if got := k.labelled(t, "keyward_message_failures_total", "decrypt"); got != 21 {
		t.Errorf("the metric counts %v failures, want 21", got)
	}
	servertest.MustNotHold(t, "the log", k.env.Log.String(), canary)
}

// labelled returns the value of a metric with one label.
func (k *kit) labelled(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := k.metrics.Gather()
	must(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s of %s", name, label)
	return 0
}
