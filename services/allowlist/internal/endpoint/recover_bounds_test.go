package endpoint_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// forget deletes a secret by force, and waits until endpoints are off because of that.
func forget(t *testing.T, k *allowlisttest.Kit, secret string, endpoints float64) {
	t.Helper()
	_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "by mistake"})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, "keyward_endpoints_lost") == endpoints }, "the losses are not found")
}

// rebindOnce calls RebindEndpoints once, and returns the results by endpoint ID.
func rebindOnce(t *testing.T, by allowlisttest.Client, req *allowlistv1.RebindEndpointsRequest) (results map[string]string, more bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // the longest deadline; saves are slow under load
	defer cancel()
	res, err := by.RebindEndpoints(ctx, req)
	allowlisttest.Must(t, err)
	results = make(map[string]string)
	for _, r := range res.GetResults() {
		_, id, _ := strings.Cut(r.GetEndpoint(), "/endpoints/")
		results[id] = strings.TrimSpace(strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_") + " " + r.GetReason())
	}
	if len(results) != len(res.GetResults()) {
		t.Errorf("%d results are of %d endpoints", len(res.GetResults()), len(results))
	}
	return results, res.GetMore()
}

// TestAThousandEndpointsAreBoundAgainInOneCall has one endpoint more than a response has results. The
// last one by name refers to another secret.
func TestAThousandEndpointsAreBoundAgainInOneCall(t *testing.T) {
	t.Parallel()
	const bound = 1000
	k := allowlisttest.New(t)
	late := k.Credential(t, "late", "token of a partner", allowlisttest.Partner)
	last := k.Credential(t, "last", "token of another", allowlisttest.Partner)
	var creating sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		creating.Go(func() {
			for n := next.Add(1); n <= bound+1 && !t.Failed(); n = next.Add(1) {
				e, secret := allowlisttest.Draft(), late
				if n > bound {
					secret = last
				}
				e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("Authorization", secret)}
				_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
					Parent: allowlisttest.Workspace, EndpointId: fmt.Sprintf("e%04d", n), Endpoint: e,
				})
				if err != nil {
					t.Errorf("CreateEndpoint %d = %v", n, err)
				}
			}
		})
	}
	creating.Wait()
	forget(t, k, late, bound)
	forget(t, k, last, bound+1)

	const lost = "LOST SECRET_NOT_FOUND"
	for _, tt := range []struct {
		name, secret string
		count        int
		more         bool
	}{
		{"all", "", bound, true},
		{"the first", late, bound, false},
		{"the last", last, 1, false},
	} {
		results, more := rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace, Secret: tt.secret, ValidateOnly: true})
		if len(results) != tt.count || more != tt.more {
			t.Errorf("%s: %d results, more: %v; want %d, %v", tt.name, len(results), more, tt.count, tt.more)
		}
		for id, got := range results {
			if got != lost {
				t.Fatalf("%s: the result of %s is %q, want %q", tt.name, id, got, lost)
			}
		}
	}

	k.Credential(t, "late", "token of a partner", allowlisttest.Partner)
	all := make(map[string]string)
	for calls, more := 1, true; more; calls++ { // more than two if the deadline comes before the bound
		var results map[string]string
		results, more = rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
		if len(results) == 0 || len(results) > bound || calls == 1 && !more {
			t.Fatalf("call %d: %d results, more: %v", calls, len(results), more)
		}
		maps.Copy(all, results)
	}
	for n := range bound {
		if id := fmt.Sprintf("e%04d", n+1); all[id] != "BOUND" {
			t.Fatalf("the result of %s is %q, want BOUND", id, all[id])
		}
	}
	if got := all["e1001"]; got != lost || len(all) != bound+1 {
		t.Errorf("%d endpoints have results, and the last one %q; want %d and %q", len(all), got, bound+1, lost)
	}
	if got := k.Metric(t, "keyward_endpoints_lost"); got != 1 {
		t.Errorf("%v endpoints are lost, want the one whose secret is not back", got)
	}
}

// three returns a kit with the active endpoints a, b, and c, which lost a secret that is back.
func three(t *testing.T) (k *allowlisttest.Kit, secret string) {
	t.Helper()
	k = allowlisttest.New(t)
	secret = k.Secret(t, "late", allowlisttest.KeyOf(1)...)
	for _, id := range []string{"a", "b", "c"} {
		k.Active(t, id, allowlisttest.Draft(secret))
	}
	forget(t, k, secret, 3)
	k.Secret(t, "late", allowlisttest.KeyOf(2)...)
	return k, secret
}

func TestAnEndpointThatCannotBeBoundAgainStopsNoOther(t *testing.T) {
	t.Parallel()
	k, secret := three(t)
	var saves atomic.Int32
	k.Steps.Set(func(step string) error {
		if step == "bound" && saves.Add(1) == 2 {
			return errors.New("a disk at 10.0.0.1 is full")
		}
		return nil
	})
	results, more := rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
	wantResults(t, "with a failure", results, map[string]string{"a": "ACTIVE", "b": "REFUSED INTERNAL", "c": "ACTIVE"})
	if more {
		t.Error("there are more, want the failure as a result")
	}
	k.Steps.Set(nil)
	results, _ = rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
	wantResults(t, "again", results, map[string]string{"b": "ACTIVE"})
	k.Settle(t, secret, 3) // the binding of the failed save is given up
}

func TestRebindingEndsWithTheVaultAndGoesOnLater(t *testing.T) {
	t.Parallel()
	k, _ := three(t)
	var saves atomic.Int32
	k.Steps.Set(func(step string) error {
		if step == "begun" && saves.Add(1) == 2 {
			k.VaultServer.Stop()
		}
		return nil
	})
	results, more := rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
	wantResults(t, "until the vault ends", results, map[string]string{"a": "ACTIVE"})
	if !more {
		t.Error("there are no more, want those after the vault ended")
	}
	k.Steps.Set(nil)
	_, err := k.Owner.RebindEndpoints(t.Context(), &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
	if servertest.Reason(err) != "VAULT_UNAVAILABLE" {
		t.Errorf("RebindEndpoints without a vault = %v", err)
	}
	k.StartVault(t)
	wantResults(t, "with the vault", rebound(t, k, &allowlistv1.RebindEndpointsRequest{}), map[string]string{"b": "ACTIVE", "c": "ACTIVE"})
}

func TestRebindingStaysInItsWorkspace(t *testing.T) {
	t.Parallel()
	const elsewhere = "workspaces/globex"
	k, secret := three(t)
	foreign := k.SecretIn(t, elsewhere, "late", vaultv1.Usage_USAGE_KEY)
	other := k.As(t, k.Env.Owner(t, "globex"))
	_, err := other.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: elsewhere, EndpointId: "z", Endpoint: allowlisttest.Draft(foreign)})
	allowlisttest.Must(t, err)
	forget(t, k, foreign, 4)
	for _, tt := range []struct {
		name           string
		by             allowlisttest.Client
		parent, secret string
		want           string
	}{
		{"another workspace", other, elsewhere, "", "[z]"},
		{"a secret of another workspace", other, elsewhere, secret, "[]"},
		{"its own", k.Owner, allowlisttest.Workspace, "", "[a b c]"},
		{"all", k.Admin, "workspaces/-", "", "[a b c z]"},
		{"the other of all", k.Admin, "workspaces/-", foreign, "[z]"},
	} {
		results, _ := rebindOnce(t, tt.by, &allowlistv1.RebindEndpointsRequest{Parent: tt.parent, Secret: tt.secret, ValidateOnly: true})
		if got := fmt.Sprint(slices.Sorted(maps.Keys(results))); got != tt.want {
			t.Errorf("%s: RebindEndpoints returns %v, want %v", tt.name, got, tt.want)
		}
	}
	for what, req := range map[string]*allowlistv1.RebindEndpointsRequest{
		"another workspace":                      {Parent: allowlisttest.Workspace},
		"an invalid secret of another workspace": {Parent: allowlisttest.Workspace, Secret: "late"},
	} {
		if _, err := other.RebindEndpoints(t.Context(), req); servertest.Reason(err) != "PERMISSION_DENIED" {
			t.Errorf("RebindEndpoints of %s = %v, want PERMISSION_DENIED", what, err)
		}
	}
}

// A misfit is a secret that is stored again in a way that its endpoint cannot use.
type misfit struct {
	endpoint     *allowlistv1.Endpoint
	first, again func(id string)
	// look is the result with validate_only, and act the one without it.
	look, act string
}

// misfits returns misfits by the ID of the secret and the endpoint.
func misfits(t *testing.T, k *allowlisttest.Kit) map[string]misfit {
	t.Helper()
	key := func(value []byte) func(string) {
		return func(id string) { k.Secret(t, id, value...) }
	}
	generated := func(kind vaultv1.Generate_Kind) func(string) {
		return func(id string) { k.Generated(t, id, kind) }
	}
	credential := func(host string) func(string) {
		return func(id string) { k.Credential(t, id, "token of a partner", host) }
	}
	configured := func(text string) *allowlistv1.Endpoint {
		e := allowlisttest.Draft()
		e.Encryption = allowlisttest.EncryptionOf(t, text)
		return e
	}
	cipher := func(id, decoding, selection string) *allowlistv1.Endpoint {
		return configured(`request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:` + id + `" ` + decoding + `} } } ` + selection + `}`)
	}
	sent := allowlisttest.Draft()
	sent.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("Authorization", allowlisttest.Workspace+"/secrets/host")}
	signed := configured(`request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:mac" decoding: DECODING_HEX } headers { key: "X-Sig" value: "${signature}" } } }`)
	fits, hexadecimal := key(allowlisttest.KeyOf(1)), key([]byte(strings.Repeat("0123456789abcdef", 4)))
	const unusable = "REFUSED KEY_NOT_USABLE"
	return map[string]misfit{
		"size":    {cipher("size", "", ""), fits, key([]byte("fifteen bytes .")), unusable, unusable},
		"form":    {cipher("form", "decoding: DECODING_HEX", ""), hexadecimal, fits, unusable, unusable},
		"pair":    {cipher("pair", "", ""), fits, generated(vaultv1.Generate_KIND_RSA_2048), unusable, unusable},
		"purpose": {cipher("purpose", "", ""), fits, generated(vaultv1.Generate_KIND_HMAC_SHA256), "REFUSED KEY_PURPOSE_FIXED", "REFUSED KEY_PURPOSE_FIXED"},
		"usage":   {cipher("usage", "", ""), fits, credential(allowlisttest.Partner), "REFUSED USAGE_NOT_ALLOWED", "REFUSED USAGE_NOT_ALLOWED"},
		"host":    {sent, credential(allowlisttest.Partner), credential("elsewhere.example"), "REFUSED HOST_NOT_ALLOWED", "REFUSED HOST_NOT_ALLOWED"},
		"gone":    {cipher("gone", "", ""), fits, func(string) {}, "LOST SECRET_NOT_FOUND", "LOST SECRET_NOT_FOUND"},
		// Only the test of the keys shows these: the vault tells less about a key that is not bound.
		"mac":    {signed, hexadecimal, key([]byte("no hexadecimal digits")), "ACTIVE", unusable},
		"sample": {cipher("sample", "", `selection { fields { paths: "$.cards[1000].number" } }`), fits, fits, "ACTIVE", "REFUSED SAMPLE_NOT_ENCRYPTABLE"},
	}
}

func TestLookingShowsWhatASaveWouldRefuse(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	look, act := make(map[string]string), make(map[string]string)
	tests := misfits(t, k)
	for id, tt := range tests {
		look[id], act[id] = tt.look, tt.act
		tt.first(id)
		approved(t, k, id, tt.endpoint)
		_, err := k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{
			Name: allowlisttest.NameOf(id), Sample: []byte(`{"cards":[` + strings.Repeat("{},", 1000) + `{"number":"4711"}]}`),
		})
		allowlisttest.Must(t, err)
	}
	for id := range tests {
		_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: allowlisttest.Workspace + "/secrets/" + id, Force: true, Reason: "by mistake"})
		allowlisttest.Must(t, err)
	}
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, "keyward_endpoints_lost") == float64(len(tests)) }, "the losses are not found")
	for id, tt := range tests {
		tt.again(id)
	}
	results, _ := rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace, ValidateOnly: true})
	wantResults(t, "to look", results, look)
	results, _ = rebindOnce(t, k.Owner, &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace})
	wantResults(t, "to do it", results, act)
	for id := range tests {
		wantOff(t, k, id, "was deleted: by mistake; store it again and bind the endpoint again")
		allowlisttest.Eventually(t, func() bool { return len(k.Held(t, allowlisttest.Workspace+"/secrets/"+id)) == 0 }, "the binding of %s stays", id)
	}
}
