package earlier_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/allowlist/internal/earlier"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// An old store of the tests has rows of the first form, and a log.
type old struct {
	*boltkv.DB

	log *changelog.Log
}

func newOld(t testing.TB) old {
	t.Helper()
	log, err := changelog.New([][32]byte{{1}}, "allowlist", time.Now)
	must(t, err)
	db, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	must(t, err)
	db.Attach(changelog.Name, log)
	t.Cleanup(func() { db.Close() })
	return old{db, log}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put stores a record, without an entry.
func (o old) put(t testing.TB, key kv.Key, text string) {
	t.Helper()
	must(t, o.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, append([]byte{1}, text...)) }))
}

// save stores the record of an endpoint, with an entry.
func (o old) save(t testing.TB, id, text string) {
	t.Helper()
	value := append([]byte{1}, text...)
	must(t, o.Update(t.Context(), func(tx kv.Tx) error {
		return errors.Join(tx.Put(endpointKey(id), value), o.log.Append(tx, entry(id), changelog.Row{Value: value}))
	}))
}

func endpointKey(id string) kv.Key { return kv.NewKey("endpoint").Text("acme").Text(id) }

func entry(id string) changelog.Entry {
	return changelog.Entry{Action: "updated", Scope: "workspaces/acme", Resource: "workspaces/acme/endpoints/" + id, UID: "uid-" + id}
}

// endpoint has a value in each field.
const endpoint = `{
	"uid": "uid-full", "revision": 7, "display_name": "Full", "description": "all fields", "labels": {"a": "1"},
	"methods": ["GET", "POST"], "host": "a.example", "url": "https://a.example/", "url_public_reason": "no secret",
	"headers": [{"name": "X", "value": "1", "public_reason": "none"}, {"name": "Y", "credential": {"secret": "workspaces/acme/secrets/s", "version": 2}}],
	"query": [{"name": "q", "value": "2"}], "content_type": "text/plain", "encryption": "AQI=",
	"body_values": [{"path": "$.a", "credential": {"secret": "workspaces/acme/secrets/s"}}],
	"state": "INACTIVE", "state_reason": "lost",
	"verification": {"method": "APPROVAL", "actor": "admin", "time": "2030-01-02T03:04:05.000000006Z", "period": 3, "grace": "2030-01-03T00:00:00Z"},
	"operation": "op", "lost": true,
	"references": [{"secret": "workspaces/acme/secrets/s", "version": 2, "host": "a.example", "port": 8443, "parameter": true, "exposed": true,
		"chains": "raw > A", "cost": 9, "conflicting": true, "partner": "p", "uid": "u", "version_uid": "v", "gone": true}],
	"created": "2030-01-01T00:00:00Z", "updated": "2030-01-02T00:00:00Z"}`

func nanos(text string) int64 {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at.UnixNano()
}

func TestEachRecordIsConverted(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.save(t, "full", endpoint)
	o.save(t, "least", `{"uid": "uid-least", "state": "ACTIVE"}`)
	o.put(t, kv.NewKey("intent").Text("op"), `{"endpoint": "workspaces/acme/endpoints/full", "secrets": ["a", "b"], "time": "2030-01-01T00:00:00Z"}`)
	o.put(t, kv.NewKey("unbind").Text("op"), `{"secrets": ["a"], "rounds": 3, "not_before": "2030-01-01T00:00:00Z"}`)
	o.put(t, kv.NewKey("proof").Text("acme").Text("full"), `{"checked": "2030-01-01T00:00:00Z", "due": "2030-01-02T00:00:00Z"}`)
	o.put(t, kv.NewKey("farewell").Text("uid"), `{"due": "2030-01-01T00:00:00Z", "last": true}`)
	o.put(t, kv.NewKey("trial").Text("try").Text("who"), `{"full": "2030-01-01T00:00:00Z"}`)
	first, second := nanos("2030-01-01T00:00:00Z"), nanos("2030-01-02T00:00:00Z")
	secret := &stored.Credential{Secret: "workspaces/acme/secrets/s"}
	want := map[string]proto.Message{
		string(endpointKey("full")): &stored.Endpoint{
			Uid: "uid-full", Revision: 7, Change: 2, DisplayName: "Full", Description: "all fields", Labels: map[string]string{"a": "1"},
			Methods: []string{"GET", "POST"}, Host: "a.example", Url: "https://a.example/", UrlPublicReason: "no secret",
			Headers: []*stored.Parameter{{Name: "X", Value: "1", PublicReason: "none"}, {Name: "Y", Credential: &stored.Credential{Secret: secret.GetSecret(), Version: 2}}},
			Query:   []*stored.Parameter{{Name: "q", Value: "2"}}, ContentType: "text/plain", Encryption: []byte{1, 2},
			BodyValues: []*stored.BodyValue{{Path: "$.a", Credential: secret}},
			State:      stored.State_STATE_INACTIVE, StateReason: "lost",
			Verification: &stored.Verification{Method: "APPROVAL", Actor: "admin", Time: nanos("2030-01-02T03:04:05.000000006Z"), Period: 3, Grace: nanos("2030-01-03T00:00:00Z")},
			Operation:    "op", Lost: true,
			References: []*stored.Reference{{
				Secret: secret.GetSecret(), Version: 2, Host: "a.example", Port: 8443, Parameter: true, Exposed: true,
				Chains: "raw > A", Cost: 9, Conflicting: true, Partner: "p", Uid: "u", VersionUid: "v", Missing: true,
			}},
			Created: first, Updated: second,
		},
		string(endpointKey("least")):                         &stored.Endpoint{Uid: "uid-least", Change: 3, State: stored.State_STATE_ACTIVE},
		string(kv.NewKey("intent").Text("op")):               &stored.Intent{Endpoint: "workspaces/acme/endpoints/full", Secrets: []string{"a", "b"}, Time: first},
		string(kv.NewKey("unbind").Text("op")):               &stored.Unbinding{Secrets: []string{"a"}, Rounds: 3, NotBefore: first},
		string(kv.NewKey("proof").Text("acme").Text("full")): &stored.Proof{Checked: first, Due: second},
		string(kv.NewKey("farewell").Text("uid")):            &stored.UsesCleanup{Due: first, Last: true},
		string(kv.NewKey("trial").Text("try").Text("who")):   &stored.Trial{Full: first},
	}
	entries := 0
	must(t, o.View(t.Context(), func(r kv.Reader) error {
		return earlier.Convert(upgrade.Old{Reader: r}, 2, func(c upgrade.Converted) error {
			for _, row := range c.Rows {
				expected, ok := want[string(row.Key)]
				if !ok {
					t.Errorf("Convert yields the row %q", row.Key)
					continue
				}
				delete(want, string(row.Key))
				got := expected.ProtoReflect().New().Interface()
				must(t, proto.Unmarshal(row.Value, got))
				if diff := cmp.Diff(expected, got, protocmp.Transform()); diff != "" {
					t.Errorf("the row %q (-want +got):\n%s", row.Key, diff)
				}
			}
			entries += len(c.Listed)
			return nil
		})
	}))
	if len(want) > 0 || entries != 2 {
		t.Errorf("Convert yields %d entries, want 2, and lacks %d rows", entries, len(want))
	}
}

func TestEndpointsThatTheLogContradictsAreReported(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.save(t, "good", `{"uid": "uid-good", "state": "ACTIVE"}`)
	o.save(t, "changed", `{"uid": "uid-changed", "state": "ACTIVE", "host": "a.example"}`)
	o.put(t, endpointKey("changed"), `{"uid": "uid-changed", "state": "ACTIVE", "host": "e.example"}`)
	o.put(t, endpointKey("unlisted"), `{"uid": "uid-unlisted", "state": "ACTIVE"}`)
	got := make(map[string]error)
	must(t, o.View(t.Context(), func(r kv.Reader) error {
		return earlier.Check(upgrade.Old{Reader: r, Log: r}, func(name string, err error) { got[name] = err })
	}))
	for id, want := range map[string]error{"good": nil, "changed": earlier.ErrDiffers, "unlisted": earlier.ErrDiffers} {
		if err, ok := got["workspaces/acme/endpoints/"+id]; !ok || !errors.Is(err, want) {
			t.Errorf("Check of %s = %v, want %v", id, err, want)
		}
	}
}

func TestAMissingEndpointIsFound(t *testing.T) {
	t.Parallel()
	o := newOld(t)
	o.save(t, "lost", `{"uid": "uid-lost", "state": "ACTIVE"}`)
	o.save(t, "kept", `{"uid": "uid-kept", "state": "ACTIVE"}`)
	must(t, o.Update(t.Context(), func(tx kv.Tx) error { return o.log.Append(tx, entry("deleted"), changelog.Row{}) }))
	must(t, o.Update(t.Context(), func(tx kv.Tx) error { return tx.Delete(endpointKey("lost")) }))
	must(t, o.View(t.Context(), func(r kv.Reader) error {
		for id, want := range map[string]bool{"lost": true, "kept": false, "deleted": false} {
			newest, err := changelog.List(r, changelog.Query{Resource: "workspaces/acme/endpoints/" + id, Limit: 1})
			must(t, err)
			if got, err := earlier.Missing(upgrade.Old{Reader: r}, newest[0]); err != nil || got != want {
				t.Errorf("Missing(%s) = %v, %v, want %v", id, got, err, want)
			}
		}
		return nil
	}))
}
