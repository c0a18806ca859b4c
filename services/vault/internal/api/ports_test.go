package api_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const hostNotAllowed = commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED

func hostsOf(hosts ...string) *vaultv1.UpdateSecretRequest {
	return &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("token"), AllowedHosts: hosts}}
}

// An owner cannot have an unknown value sent to another port of a host.
func TestAHostStandsForPort443(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "token", &vaultv1.Secret{
		Usage: vaultv1.Usage_USAGE_CREDENTIAL, Value: vaulttest.Text("the bank's token, version 1"),
		AllowedHosts: []string{"bank.example:443", "192.0.2.1:80", "2001:db8::1", "[2001:db8::2]:8443"},
	})
	want := []string{"bank.example", "192.0.2.1:80", "2001:db8::1", "[2001:db8::2]:8443"}
	if got := k.Owner.Get(t, "token").GetAllowedHosts(); !slices.Equal(got, want) {
		t.Errorf("hosts = %v, want %v", got, want)
	}
	for _, tt := range []struct {
		host    string
		port    uint32
		missing string // what has to be added
	}{
		{"bank.example", 443, ""},
		{"bank.example", 8443, "bank.example:8443"},
		{"bank.example", 80, "bank.example:80"},
		{"192.0.2.1", 80, ""},
		{"192.0.2.1", 443, "192.0.2.1"},
		{"::ffff:192.0.2.1", 80, "[::ffff:192.0.2.1]:80"},
		{"2001:db8::1", 443, ""},
		{"2001:db8::1", 8443, "[2001:db8::1]:8443"},
		{"2001:db8::2", 8443, ""},
		{"2001:db8::2", 443, "2001:db8::2"},
	} {
		err := bindPort(t, k.Resolver, "token", tt.host, tt.port, "op", 0)
		if tt.missing == "" {
			if err != nil {
				t.Errorf("BindSecret for %s, port %d = %v", tt.host, tt.port, err)
			}
			k.Resolver.Unbind(t, "token", "op")
			continue
		}
		vaulttest.WantError(t, tt.missing, err, codes.FailedPrecondition, hostNotAllowed)
		if got := servertest.Metadata(err)["host"]; got != tt.missing || !strings.Contains(err.Error(), "add "+tt.missing+" ") {
			t.Errorf("the error for %s, port %d names %q: %v", tt.host, tt.port, got, err)
		}
	}
}

func TestAPortIsAddedAsAHostIs(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "token", &vaultv1.Secret{
		Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"bank.example"}, Value: vaulttest.Text("the bank's token, version 1"),
	})
	_, err := k.Owner.UpdateSecret(t.Context(), hostsOf("bank.example", "bank.example:8443"))
	vaulttest.WantField(t, "an owner who adds a port", err, "secret.allowed_hosts")
	_, err = k.Owner.UpdateSecret(t.Context(), hostsOf("bank.example:8443"))
	vaulttest.WantField(t, "an owner who changes the port", err, "secret.allowed_hosts")
	if _, err := k.Owner.UpdateSecret(t.Context(), hostsOf("bank.example:443")); err != nil {
		t.Errorf("an owner who changes nothing: %v", err)
	}
	if got := k.Owner.Get(t, "token"); got.GetEtag() != made.GetEtag() {
		t.Error("naming the default port is a change")
	}
	next := hostsOf("bank.example", "bank.example:8443")
	next.Secret.Value = vaulttest.Text("another token, version 2")
	if _, err := k.Owner.UpdateSecret(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "the previous version for the new port", bindPort(t, k.Resolver, "token", "bank.example", 8443, "a", 1), codes.FailedPrecondition, hostNotAllowed)
	if err := bindPort(t, k.Resolver, "token", "bank.example", 8443, "b", 0); err != nil {
		t.Errorf("the new version for its port: %v", err)
	}
	// The value of version 1 must not follow the binding to the port.
	_, err = k.Owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: vaulttest.VersionOf("token", 1)})
	vaulttest.WantError(t, "a restore while another port is in use", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE)
	_, err = k.Owner.UpdateSecret(t.Context(), hostsOf("bank.example"))
	vaulttest.WantError(t, "removing a port in use", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE)
	if _, err := k.Owner.UpdateSecret(t.Context(), hostsOf("bank.example:8443")); err != nil {
		t.Errorf("removing the port that is not in use: %v", err)
	}
	k.Resolver.Unbind(t, "token", "b")
	if _, err := k.Owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: vaulttest.VersionOf("token", 1)}); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "the port after the restore", bindPort(t, k.Resolver, "token", "bank.example", 8443, "c", 0), codes.FailedPrecondition, hostNotAllowed)
	if _, err := k.Admin.UpdateSecret(t.Context(), hostsOf("bank.example", "bank.example:9443")); err != nil {
		t.Errorf("a super admin who adds a port: %v", err)
	}
	if got := bindPort(t, k.Resolver, "token", "bank.example", 9443, "d", 0); got != nil {
		t.Errorf("the port that the super admin added: %v", got)
	}
	if got := resolvedHosts(t, k.Resolver, "token", made.GetUid(), 0); !slices.Equal(got, []string{"bank.example", "bank.example:9443"}) {
		t.Errorf("version 1 may go to %v", got)
	}
}

// A binding of this release knows its port, so there is nothing to report.
func TestABindingKeepsItsPort(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "token", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"bank.example"}})
	if err := bindPort(t, k.Resolver, "token", "bank.example", 443, "op", 0); err != nil {
		t.Fatal(err)
	}
	before := len(k.Owner.History(t, "token"))
	vaulttest.WantError(t, "a report of another port", bindPort(t, k.Resolver, "token", "bank.example", 8443, "op", 0), codes.FailedPrecondition, hostNotAllowed)
	if _, err := k.Admin.UpdateSecret(t.Context(), hostsOf("bank.example", "bank.example:8443")); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantField(t, "another port under the operation", bindPort(t, k.Resolver, "token", "bank.example", 8443, "op", 0), "operation_id")
	if err := bindPort(t, k.Resolver, "token", "bank.example", 443, "op", 0); err != nil {
		t.Errorf("binding again = %v", err)
	}
	res, err := k.Owner.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: vaulttest.NameOf("token")})
	if err != nil {
		t.Fatal(err)
	}
	if b := res.GetBindings(); len(b) != 1 || b[0].GetPort() != 443 || b[0].GetHost() != "bank.example" {
		t.Errorf("the bindings are %v", b)
	}
	if got := len(k.Owner.History(t, "token")); got != before+1 {
		t.Errorf("the log has %d entries, want %d", got, before+1)
	}
}
