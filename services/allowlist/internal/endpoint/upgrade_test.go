package endpoint_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// rewrite opens the store of a stopped program, and changes the values of a space of keys. Change
// gets the decoded JSON, and returns nil to leave a value as it is.
func rewrite(t testing.TB, file, space string, change func(key []byte, record map[string]any) map[string]any) {
	t.Helper()
	db, err := boltkv.Open(file, boltkv.Options{})
	allowlisttest.Must(t, err)
	defer func() { allowlisttest.Must(t, db.Close()) }()
	allowlisttest.Must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		var pairs []kv.Pair
		for pair, err := range tx.Scan(kv.Prefix(kv.NewKey(space), 100)) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		for _, pair := range pairs {
			var record map[string]any
			if err := json.Unmarshal(pair.Value[1:], &record); err != nil {
				return err
			}
			changed := change(pair.Key, record)
			if changed == nil {
				continue
			}
			value, err := json.Marshal(changed)
			if err != nil {
				return err
			}
			if err := tx.Put(pair.Key, append([]byte{pair.Value[0]}, value...)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// age stops both programs, removes from their stores all data that releases without purposes did
// not write, and starts them again. It calls change while they are stopped.
func age(t testing.TB, k *allowlisttest.Kit, change func()) {
	t.Helper()
	k.Server.Stop()
	k.VaultServer.Stop()
	without := func(names ...string) func([]byte, map[string]any) map[string]any {
		return func(_ []byte, record map[string]any) map[string]any {
			for _, name := range names {
				delete(record, name)
			}
			return record
		}
	}
	vaulttest.ForgetPurposes(t, k.VaultConfig)
	rewrite(t, k.Config.Store, "endpoint", func(_ []byte, record map[string]any) map[string]any {
		references, _ := record["references"].([]any)
		for _, reference := range references {
			without("chains", "cost", "partner", "conflicting", "exposed")(nil, reference.(map[string]any))
		}
		return record
	})
	change()
	k.StartVault(t)
	k.Start(t)
}

func purposeState(t testing.TB, k *allowlisttest.Kit, secret string) vaultv1.PurposeState {
	t.Helper()
	got, err := k.VaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
	return got.GetSecret().GetPurpose().GetState()
}

func TestEndpointsSavedBeforeThereWerePurposesReportThemAtTheStart(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	for _, id := range []string{"one", "two"} {
		k.Active(t, id, allowlisttest.Draft(secret))
	}
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("one"), Body: []byte("hello")})
	etag := k.Owner.Get(t, "one").GetEtag()
	age(t, k, func() {})
	if got := purposeState(t, k, secret); got != vaultv1.PurposeState_PURPOSE_STATE_UNKNOWN {
		t.Errorf("before the report the state is %v", got)
	}
	// The existing endpoint works, and no other one can be added.
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("one"), Body: sent.GetBody()})
	if err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt before the report = %q, %v", opened.GetBody(), err)
	}
	_, err = k.Refusal(t, allowlisttest.Draft(secret))
	allowlisttest.WantError(t, "another endpoint before the report", err, codes.FailedPrecondition, "KEY_PURPOSE_UNKNOWN")

	_, err = k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	if got := purposeState(t, k, secret); got != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED {
		t.Errorf("after the report the state is %v", got)
	}
	history := k.Owner.History(t, allowlisttest.NameOf("one"))
	if history[0].GetAction() != allowlistv1.EndpointChange_ACTION_PURPOSES_REPORTED || k.Owner.Get(t, "one").GetEtag() != etag {
		t.Errorf("the log says %v, and the etag is %s, was %s", history[0].GetAction(), k.Owner.Get(t, "one").GetEtag(), etag)
	}
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
	k.Owner.Create(t, "three", allowlisttest.Draft(secret))
	other := allowlisttest.Draft(secret)
	other.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	_, err = k.Refusal(t, other)
	allowlisttest.WantError(t, "another purpose after the report", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("two"), Body: []byte("hello")})
	if got := purposeState(t, k, secret); got != vaultv1.PurposeState_PURPOSE_STATE_SEALED {
		t.Errorf("after a message the state is %v", got)
	}
}

func TestAKeyThatWasUsedForSeveralPurposesGoesOnForThoseAlone(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	mixed, other := k.Secret(t, "mixed"), k.Secret(t, "other")
	k.Active(t, "gcm", allowlisttest.Draft(mixed))
	chacha := allowlisttest.Draft(other)
	chacha.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	k.Active(t, "chacha", chacha)
	age(t, k, func() { merge(t, k, "chacha", "other", "mixed") })
	_, err := k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	if got := purposeState(t, k, mixed); got != vaultv1.PurposeState_PURPOSE_STATE_MIXED {
		t.Errorf("the state is %v", got)
	}
	for _, id := range []string{"gcm", "chacha"} {
		k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
	}
	if got := k.Metric(t, "keyward_mixed_key_purposes"); got != 1 {
		t.Errorf("the metric says %v", got)
	}
	for what, e := range map[string]*allowlistv1.Endpoint{"one of the purposes": allowlisttest.Draft(mixed), "another": allowlisttest.Signed(allowlisttest.Draft(), mixed)} {
		_, err := k.Refusal(t, e)
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("a new endpoint for %s = %v", what, err)
		}
	}
	k.Server.Stop()
	var states []string
	allowlisttest.Must(t, allowlist.References(t.Context(), k.Config, nil, k.Env.Logger, func(l allowlist.Link) { states = append(states, fmt.Sprint(l.Secret, " ", l.State)) }))
	if !slices.Contains(states, mixed+" MIXED") {
		t.Errorf("the references are %q", states)
	}
}

// merge makes an endpoint of stopped programs refer to another secret with an ID of the same
// length, as was possible before purposes were recorded.
func merge(t testing.TB, k *allowlisttest.Kit, endpoint, from, to string) {
	t.Helper()
	rewrite(t, k.Config.Store, "endpoint", func(key []byte, record map[string]any) map[string]any {
		if !bytes.Contains(key, []byte(endpoint)) {
			return nil
		}
		uid := vaulttest.CopyBinding(t, k.VaultConfig, record["operation"].(string), from, to)
		stored, err := json.Marshal(record["encryption"])
		allowlisttest.Must(t, err)
		var encryption []byte
		allowlisttest.Must(t, json.Unmarshal(stored, &encryption))
		record["encryption"] = bytes.Replace(encryption, []byte("secrets/"+from), []byte("secrets/"+to), 1)
		reference := record["references"].([]any)[0].(map[string]any)
		reference["secret"], reference["uid"] = allowlisttest.Workspace+"/secrets/"+to, uid
		return record
	})
}
