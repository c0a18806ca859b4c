package allowlist_test

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
)

// rewrite opens the store of a stopped program, and changes the values of a space of keys. The
// change gets JSON, and returns nil to leave a value as it is.
func rewrite(t testing.TB, file, space string, change func(key []byte, record map[string]any) map[string]any) {
	t.Helper()
	db, err := boltkv.Open(file, boltkv.Options{})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
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

// age stops both programs, removes from their stores what releases did not write that kept no
// purposes, and starts them again. Between, change may do more.
func (k *kit) age(t testing.TB, change func()) {
	t.Helper()
	k.server.Stop()
	k.vaultServer.Stop()
	without := func(names ...string) func([]byte, map[string]any) map[string]any {
		return func(_ []byte, record map[string]any) map[string]any {
			for _, name := range names {
				delete(record, name)
			}
			return record
		}
	}
	rewrite(t, k.vaultConfig.Store, "secret", without("purpose", "shared", "public"))
	rewrite(t, k.vaultConfig.Store, "binding", without("purpose"))
	rewrite(t, k.vaultConfig.Store, "version", without("prints"))
	rewrite(t, k.config.Store, "endpoint", func(_ []byte, record map[string]any) map[string]any {
		references, _ := record["references"].([]any)
		for _, reference := range references {
			without("chains", "cost", "partner", "conflicting", "exposed")(nil, reference.(map[string]any))
		}
		return record
	})
	change()
	k.startVault(t)
	k.start(t)
}

func (k *kit) purposeState(t testing.TB, secret string) vaultv1.PurposeState {
	t.Helper()
	got, err := k.vaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	must(t, err)
	return got.GetSecret().GetPurpose().GetState()
}

func TestEndpointsSavedBeforeThereWerePurposesReportThemAtTheStart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	for _, id := range []string{"one", "two"} {
		k.active(t, id, draft(secret))
	}
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("one"), Body: []byte("hello")})
	etag := k.owner.get(t, "one").GetEtag()
	k.age(t, func() {})
	if got := k.purposeState(t, secret); got != vaultv1.PurposeState_PURPOSE_STATE_UNKNOWN {
		t.Errorf("before the report the state is %v", got)
	}
	// What there is works, and nobody else comes.
	opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("one"), Body: sent.GetBody()})
	if err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt before the report = %q, %v", opened.GetBody(), err)
	}
	_, err = k.refusal(t, draft(secret))
	wantError(t, "another endpoint before the report", err, codes.FailedPrecondition, "KEY_PURPOSE_UNKNOWN")

	_, err = k.allowlist.Reconcile(t.Context())
	must(t, err)
	if got := k.purposeState(t, secret); got != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED {
		t.Errorf("after the report the state is %v", got)
	}
	history := k.owner.history(t, nameOf("one"))
	if history[0].GetAction() != allowlistv1.EndpointChange_ACTION_PURPOSES_REPORTED || k.owner.get(t, "one").GetEtag() != etag {
		t.Errorf("the log says %v, and the etag is %s, was %s", history[0].GetAction(), k.owner.get(t, "one").GetEtag(), etag)
	}
	must(t, k.allowlist.Verify(t.Context()))
	k.owner.create(t, "three", draft(secret))
	other := draft(secret)
	other.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	_, err = k.refusal(t, other)
	wantError(t, "another purpose after the report", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("two"), Body: []byte("hello")})
	if got := k.purposeState(t, secret); got != vaultv1.PurposeState_PURPOSE_STATE_SEALED {
		t.Errorf("after a message the state is %v", got)
	}
}

func TestAKeyThatWasUsedForSeveralPurposesGoesOnForThoseAlone(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	mixed, other := k.secret(t, "mixed"), k.secret(t, "other")
	k.active(t, "gcm", draft(mixed))
	chacha := draft(other)
	chacha.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	k.active(t, "chacha", chacha)
	k.age(t, func() { k.merge(t, "chacha", "other", "mixed") })
	_, err := k.allowlist.Reconcile(t.Context())
	must(t, err)
	if got := k.purposeState(t, mixed); got != vaultv1.PurposeState_PURPOSE_STATE_MIXED {
		t.Errorf("the state is %v", got)
	}
	for _, id := range []string{"gcm", "chacha"} {
		k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("hello")})
	}
	if got := k.metric(t, "keyward_mixed_key_purposes"); got != 1 {
		t.Errorf("the metric says %v", got)
	}
	for what, e := range map[string]*allowlistv1.Endpoint{"one of the purposes": draft(mixed), "another": signed(draft(), mixed)} {
		_, err := k.refusal(t, e)
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("a new endpoint for %s = %v", what, err)
		}
	}
	k.server.Stop()
	var states []string
	must(t, allowlist.References(t.Context(), k.config, nil, k.env.Logger, func(l allowlist.Link) { states = append(states, fmt.Sprint(l.Secret, " ", l.State)) }))
	if !slices.Contains(states, mixed+" MIXED") {
		t.Errorf("the references are %q", states)
	}
}

// merge makes an endpoint of stopped programs refer to another secret, with an id of the same
// length, as it could before purposes were kept.
func (k *kit) merge(t testing.TB, endpoint, from, to string) {
	t.Helper()
	uids, operation := make(map[string]string), ""
	rewrite(t, k.vaultConfig.Store, "secret", func(key []byte, record map[string]any) map[string]any {
		for _, id := range []string{from, to} {
			if bytes.Contains(key, []byte(id)) {
				uids[id] = record["uid"].(string)
			}
		}
		return nil
	})
	rewrite(t, k.config.Store, "endpoint", func(key []byte, record map[string]any) map[string]any {
		if !bytes.Contains(key, []byte(endpoint)) {
			return nil
		}
		operation = record["operation"].(string)
		stored, err := json.Marshal(record["encryption"])
		must(t, err)
		var encryption []byte
		must(t, json.Unmarshal(stored, &encryption))
		record["encryption"] = bytes.Replace(encryption, []byte("secrets/"+from), []byte("secrets/"+to), 1)
		reference := record["references"].([]any)[0].(map[string]any)
		reference["secret"], reference["uid"] = workspace+"/secrets/"+to, uids[to]
		return record
	})
	db, err := boltkv.Open(k.vaultConfig.Store, boltkv.Options{})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		for pair, err := range tx.Scan(kv.Prefix(kv.NewKey("binding").Text(uids[from]), 10)) {
			if err != nil || !bytes.Contains(pair.Key, []byte(operation)) {
				return err
			}
			rest := pair.Key[len(kv.NewKey("binding").Text(uids[from])):]
			return tx.Put(append(kv.NewKey("binding").Text(uids[to]), rest...), pair.Value)
		}
		return nil
	}))
}
