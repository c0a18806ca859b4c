package endpoint_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// losing returns a kit whose vault lacks the secret late after a restore, and version 2 of key. The
// endpoints on and vetoed were active, off and new were not; pins pins the version.
func losing(t *testing.T) (k *allowlisttest.Kit, late string) {
	t.Helper()
	k = allowlisttest.Make(t, time.Hour)
	key := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	backup := backUp(t, k)
	late = k.Secret(t, "late", allowlisttest.KeyOf(3)...)
	k.Rotate(t, key, 2)
	for _, id := range []string{"on", "off", "vetoed"} {
		created(t, k, id, allowlisttest.Draft(late))
	}
	created(t, k, "pins", pinned(key, 2))
	k.Owner.Create(t, "new", allowlisttest.Draft(late))
	_, err := k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: allowlisttest.NameOf("off")})
	allowlisttest.Must(t, err)
	k.AcceptVault(t) // changes nothing, and makes the allowlist verify the newest head
	putBack(t, k, backup)
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, "keyward_endpoints_lost") == 5 }, "the losses are not found")
	_, err = k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: allowlisttest.NameOf("vetoed")})
	allowlisttest.Must(t, err)
	return k, late
}

// rebound calls RebindEndpoints, after the vault no longer holds new bindings, and returns the results.
func rebound(t *testing.T, k *allowlisttest.Kit, req *allowlistv1.RebindEndpointsRequest) map[string]string {
	t.Helper()
	if req.GetParent() == "" {
		req.Parent = allowlisttest.Workspace
	}
	var all map[string]string
	allowlisttest.Eventually(t, func() bool {
		all = make(map[string]string)
		res, err := k.Owner.RebindEndpoints(t.Context(), req)
		if servertest.Reason(err) == "VAULT_UNAVAILABLE" {
			return false
		}
		allowlisttest.Must(t, err)
		for _, r := range res.GetResults() {
			_, id, _ := strings.Cut(r.GetEndpoint(), "/endpoints/")
			all[id] = strings.TrimSpace(strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_") + " " + r.GetReason())
			if (r.GetReason() == "") != (r.GetDetail() == "") {
				t.Errorf("the result is %v, want a detail with a reason", r)
			}
			if r.GetReason() == "RESTORE_PENDING" {
				return false
			}
		}
		return !res.GetMore()
	}, "the vault still holds bindings")
	return all
}

func wantResults(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: the results are %v, want %v", what, got, want)
	}
	for id, outcome := range want {
		if got[id] != outcome {
			t.Errorf("%s: the result of %s is %q, want %q", what, id, got[id], outcome)
		}
	}
}

func TestEndpointsWhoseSecretIsBackAreBoundAgain(t *testing.T) {
	t.Parallel()
	k, late := losing(t)
	lost := map[string]string{"on": "LOST SECRET_NOT_FOUND", "off": "LOST SECRET_NOT_FOUND", "vetoed": "LOST SECRET_NOT_FOUND", "new": "LOST SECRET_NOT_FOUND", "pins": "LOST VERSION_NOT_FOUND"}
	wantResults(t, "before the secret is back", rebound(t, k, &allowlistv1.RebindEndpointsRequest{}), lost)

	k.Secret(t, "late", allowlisttest.KeyOf(3)...)
	want := map[string]string{"on": "ACTIVE", "off": "BOUND", "vetoed": "BOUND", "new": "BOUND"}
	wantResults(t, "to look", rebound(t, k, &allowlistv1.RebindEndpointsRequest{Secret: late, ValidateOnly: true}), want)
	if held := k.Held(t, late); len(held) > 0 || k.Metric(t, "keyward_endpoints_lost") != 5 {
		t.Errorf("looking changes something: %v", held)
	}
	wantResults(t, "of another secret", rebound(t, k, &allowlistv1.RebindEndpointsRequest{Secret: late + "r"}), nil)
	if _, err := k.Member.RebindEndpoints(t.Context(), &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace}); servertest.Reason(err) != "PERMISSION_DENIED" {
		t.Errorf("RebindEndpoints by a member = %v", err)
	}

	want["pins"] = lost["pins"]
	wantResults(t, "to do it", rebound(t, k, &allowlistv1.RebindEndpointsRequest{Reason: "stored again"}), want)
	for id, state := range map[string]allowlistv1.Endpoint_State{
		"on": allowlistv1.Endpoint_STATE_ACTIVE, "off": allowlistv1.Endpoint_STATE_INACTIVE, "vetoed": allowlistv1.Endpoint_STATE_INACTIVE,
		"pins": allowlistv1.Endpoint_STATE_INACTIVE,
	} {
		if got := k.Owner.Get(t, id).GetState(); got != state {
			t.Errorf("%s is %v, want %v", id, got, state)
		}
	}
	if body, err := settled(t, k, "on"); err != nil || !allowlisttest.Opens(t, 3, body) {
		t.Errorf("Encrypt = %v, want a message under the key that is back", err)
	}
	change := k.Owner.History(t, allowlisttest.NameOf("on"))[0]
	if change.GetReason() != "stored again" || change.GetActor().GetSubject() != k.Owner.Subject {
		t.Errorf("the history ends with %v", change)
	}
	for state, count := range map[string]float64{"ACTIVE": 1, "INACTIVE": 4, "PENDING": 0, "DEGRADED": 0} {
		if got := k.Labeled(t, "keyward_endpoints", state); got != count {
			t.Errorf("%v endpoints are %s, want %v", got, state, count)
		}
	}
	wantResults(t, "again", rebound(t, k, &allowlistv1.RebindEndpointsRequest{}), map[string]string{"pins": lost["pins"]})
}

// TestRebindingFollowsTheRulesOfASave stores secrets under the name that the endpoints may not use.
func TestRebindingFollowsTheRulesOfASave(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		usage vaultv1.Usage
		value string
		want  string
	}{
		"another usage":                 {vaultv1.Usage_USAGE_PARAMETER, "sixteen bytes ok", "REFUSED USAGE_NOT_ALLOWED"},
		"a key that the cipher refuses": {vaultv1.Usage_USAGE_KEY, "short of a byte", "REFUSED KEY_NOT_USABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, late := losing(t)
			k.SecretIn(t, allowlisttest.Workspace, "late", tt.usage, []byte(tt.value)...)
			for _, validate := range []bool{true, false} {
				got := rebound(t, k, &allowlistv1.RebindEndpointsRequest{Secret: late, ValidateOnly: validate})
				wantResults(t, "refused", got, map[string]string{"on": tt.want, "off": tt.want, "vetoed": tt.want, "new": tt.want})
			}
			wantOff(t, k, "on", "bind the endpoint again")
			allowlisttest.Eventually(t, func() bool { return len(k.Held(t, late)) == 0 }, "refused bindings stay")
		})
	}
}

func TestRebindingChecksItsRequest(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	_, err := k.Owner.RebindEndpoints(t.Context(), &allowlistv1.RebindEndpointsRequest{Parent: allowlisttest.Workspace, Secret: "late"})
	allowlisttest.WantError(t, "RebindEndpoints of no secret", err, codes.InvalidArgument, "INVALID_FIELD")
	_, err = k.Owner.RebindEndpoints(t.Context(), &allowlistv1.RebindEndpointsRequest{Parent: "workspaces/-"})
	allowlisttest.WantError(t, "RebindEndpoints of all by an owner of one", err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = k.Admin.RebindEndpoints(t.Context(), &allowlistv1.RebindEndpointsRequest{Parent: "workspaces/-"})
	allowlisttest.Must(t, err)
}
