package endpoint_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// sending returns an endpoint with a URL that encrypts under the secret `key` and sends a
// credential in a header.
func sending(url string, ref *allowlistv1.SecretRef) *allowlistv1.Endpoint {
	e := allowlisttest.Draft(allowlisttest.Workspace + "/secrets/key")
	e.Url = url
	e.Headers = []*allowlistv1.Parameter{{Name: "Authorization", Source: &allowlistv1.Parameter_Secret{Secret: ref}}}
	return e
}

func rotateToken(t testing.TB, k *allowlisttest.Kit, secret, text string, hosts ...string) error {
	t.Helper()
	_, err := k.Secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, AllowedHosts: hosts, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}},
	}})
	return err
}

// authorization returns the credential of a message of the endpoint, or the reason of the refusal.
func authorization(t testing.TB, k *allowlisttest.Kit, id string) string {
	t.Helper()
	sent, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("{}")})
	if err != nil {
		return servertest.Reason(err)
	}
	return sent.GetHeaders()[0].GetValue()
}

func TestAnOwnerDoesNotSendACredentialToAnotherPort(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Secret(t, "key")
	secret := k.Credential(t, "token", "the value of version 1", allowlisttest.Partner)
	ref := &allowlistv1.SecretRef{Name: secret}
	k.Active(t, "orders", sending("https://api.partner.example/orders", ref))
	for _, url := range []string{
		"https://api.partner.example:8443/orders", "https://API.Partner.Example.:8443/orders", "https://api.partner.example:08443/orders",
		"https://ａpi.partner.example:8443/orders", "https://api.partner.example:80/orders",
	} {
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "other", Endpoint: sending(url, ref)})
		allowlisttest.WantError(t, "an endpoint at "+url, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
		missing := servertest.Metadata(err)["host"]
		if v := servertest.Violations(err); !strings.HasPrefix(missing, allowlisttest.Partner+":8") || len(v) != 1 || !strings.Contains(v[0].Description, "add "+missing+" ") {
			t.Errorf("the refusal of %s has %q, %v", url, missing, v)
		}
		_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: url})
		allowlisttest.WantError(t, "a move to "+url, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	}
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: "https://API.partner.example.:443/orders"})
	allowlisttest.Must(t, err)

	// With a new value they may, but that does not include the value of version 1.
	allowlisttest.Must(t, rotateToken(t, k, secret, "the value of version 2", allowlisttest.Partner, allowlisttest.Partner+":8443"))
	pinned := sending("https://api.partner.example:8443/pinned", &allowlistv1.SecretRef{Name: secret, Version: 1})
	_, err = k.Refusal(t, pinned)
	allowlisttest.WantError(t, "the version before at the new port", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	k.Active(t, "other", sending("https://api.partner.example:8443/other", ref))
	if got := authorization(t, k, "other"); got != "the value of version 2" {
		t.Errorf("the message carries %q", got)
	}
	_, err = k.Secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: secret + "/versions/1"})
	allowlisttest.WantError(t, "a restore of the version before", err, codes.FailedPrecondition, "SECRET_IN_USE")

	// The allowlist says whether a redirect may be followed: not if its target has no endpoint.
	if got := verdict(check(t, k.Sender, "POST", "https://api.partner.example:8443/orders")); got != "NO_ENDPOINT" {
		t.Errorf("a redirect to another port = %s", got)
	}
}

// agePorts stops both programs, changes their stores to those of releases that recorded no ports,
// and starts them again.
func agePorts(t testing.TB, k *allowlisttest.Kit) {
	t.Helper()
	k.Server.Stop()
	k.VaultServer.Stop()
	vaulttest.ForgetPorts(t, k.VaultConfig)
	allowlisttest.Rewrite(t, k.Config, func(_ string, e *stored.Endpoint) {
		for _, r := range e.GetReferences() {
			r.Port = 0
		}
	})
	k.StartVault(t)
	k.Start(t)
}

// hostsOf returns the hosts of a secret and of its versions, newest first.
func hostsOf(t testing.TB, k *allowlisttest.Kit, secret string) (hosts []string, versions [][]string) {
	t.Helper()
	got, err := k.VaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
	list, err := k.VaultSA.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: secret})
	allowlisttest.Must(t, err)
	for _, v := range list.GetVersions() {
		versions = append(versions, v.GetAllowedHosts())
	}
	return got.GetSecret().GetAllowedHosts(), versions
}

func changesOf(t testing.TB, k *allowlisttest.Kit, secret string) []*vaultv1.SecretChange {
	t.Helper()
	list, err := k.VaultSA.ListSecretHistory(t.Context(), &vaultv1.ListSecretHistoryRequest{Name: secret, PageSize: 100})
	allowlisttest.Must(t, err)
	return list.GetChanges()
}

// newEarlierKit returns a kit with endpoints that earlier releases saved: `plain` on port 443,
// `other` on port 8443, and `off` on port 9443, which is inactive. Their token has two versions.
func newEarlierKit(t testing.TB) (k *allowlisttest.Kit, secret string) {
	t.Helper()
	k = allowlisttest.New(t)
	k.Secret(t, "key")
	secret = k.Credential(t, "token", "the value of version 1", allowlisttest.Partner, allowlisttest.Partner+":8443", allowlisttest.Partner+":9443")
	allowlisttest.Must(t, rotateToken(t, k, secret, "the value of version 2"))
	ref := &allowlistv1.SecretRef{Name: secret}
	k.Active(t, "plain", sending("https://api.partner.example/plain", ref))
	k.Active(t, "other", sending("https://api.partner.example:8443/other", ref))
	k.Owner.Create(t, "off", sending("https://api.partner.example:9443/off", ref))
	agePorts(t, k)
	for _, b := range k.Held(t, secret) {
		if b.GetPort() != 0 {
			t.Fatalf("the binding of %s has port %d, want one of an earlier release", b.GetReferrer(), b.GetPort())
		}
	}
	return k, secret
}

func TestEndpointsOnOtherPortsGoOnAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	ref := &allowlistv1.SecretRef{Name: secret}
	etag := k.Owner.Get(t, "other").GetEtag()
	if hosts, _ := hostsOf(t, k, secret); !slices.Equal(hosts, []string{allowlisttest.Partner}) {
		t.Fatalf("the hosts of an earlier release are %v", hosts)
	}
	// Before the report, existing endpoints work, and no other endpoint can be added to a port.
	for _, id := range []string{"plain", "other"} {
		if got := authorization(t, k, id); got != "the value of version 2" {
			t.Errorf("a message of %s before the report carries %q", id, got)
		}
	}
	refused := func(when string) {
		t.Helper()
		for _, port := range []string{"7443", "80"} {
			_, err := k.Refusal(t, sending("https://api.partner.example:"+port+"/new", ref))
			allowlisttest.WantError(t, "another endpoint on "+port+when, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
			for _, id := range []string{"plain", "other", "off"} {
				_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf(id), Url: "https://api.partner.example:" + port + "/" + id})
				allowlisttest.WantError(t, id+" on "+port+when, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
			}
		}
	}
	refused(" before the report")
	_, err := k.Refusal(t, sending("https://api.partner.example:8443/new", ref))
	allowlisttest.WantError(t, "another endpoint on the port before the report", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")

	for range 2 { // the second time, nothing is left to report
		_, err = k.Allowlist.Reconcile(t.Context())
		allowlisttest.Must(t, err)
		for _, id := range []string{"plain", "other"} {
			if got := authorization(t, k, id); got != "the value of version 2" {
				t.Errorf("a message of %s after the report carries %q", id, got)
			}
		}
	}
	hosts, versions := hostsOf(t, k, secret)
	for _, got := range append(versions, hosts) {
		if want := []string{allowlisttest.Partner, allowlisttest.Partner + ":8443", allowlisttest.Partner + ":9443"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("hosts after the report = %v, want %v", got, want)
		}
	}
	refused(" after the report")
	history := k.Owner.History(t, allowlisttest.NameOf("other"))
	if history[0].GetAction() != allowlistv1.EndpointChange_ACTION_PURPOSES_REPORTED || history[1].GetAction() == history[0].GetAction() || k.Owner.Get(t, "other").GetEtag() != etag {
		t.Errorf("the log of the endpoint says %v", history)
	}
	changes := slices.DeleteFunc(changesOf(t, k, secret), func(c *vaultv1.SecretChange) bool {
		return c.GetAction() != vaultv1.SecretChange_ACTION_UPDATED || len(c.GetReferrers()) == 0
	})
	if len(changes) != 2 || changes[0].GetActor().GetSubject() != k.Env.Resolver(t).Subject || len(changes[0].GetNewAllowedHosts()) != 3 {
		t.Errorf("the log of the secret says %v", changes)
	}
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))

	k.Activate(t, "off")
	k.Active(t, "new", sending("https://api.partner.example:8443/new", ref))
	_, err = k.Secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: secret + "/versions/1"})
	allowlisttest.Must(t, err)
	for _, id := range []string{"plain", "other", "off", "new"} {
		allowlisttest.Eventually(t, func() bool { return authorization(t, k, id) == "the value of version 1" }, "%s does not send the restored version", id)
	}
	err = allowHosts(t, k, secret, allowlisttest.Partner, allowlisttest.Partner+":9443")
	allowlisttest.WantError(t, "removing a reported port", err, codes.FailedPrecondition, "SECRET_IN_USE")
	for _, id := range []string{"other", "new"} {
		k.Owner.Delete(t, id)
	}
	k.Settle(t, secret, 2)
	allowlisttest.Must(t, allowHosts(t, k, secret, allowlisttest.Partner, allowlisttest.Partner+":9443"))
}

// The allowlist stops after the vault has received a port, and before it receives the response.
func TestAReportThatIsCutShortIsMadeAgain(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	for _, b := range k.Held(t, secret) {
		if b.GetReferrer() == allowlisttest.NameOf("other") {
			rebind(t, k, secret, b, allowlisttest.Partner, 8443)
		}
	}
	k.Restart(t)
	if got := authorization(t, k, "other"); got != "the value of version 2" {
		t.Errorf("a message in between carries %q", got)
	}
	_, err := k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	k.VaultServer.Stop()
	k.StartVault(t)
	k.Restart(t)
	for _, b := range k.Held(t, secret) {
		if want := map[string]uint32{allowlisttest.NameOf("plain"): 443, allowlisttest.NameOf("other"): 8443, allowlisttest.NameOf("off"): 9443}[b.GetReferrer()]; b.GetPort() != want {
			t.Errorf("the binding of %s has port %d, want %d", b.GetReferrer(), b.GetPort(), want)
		}
	}
	for _, id := range []string{"plain", "other"} {
		if got := authorization(t, k, id); got != "the value of version 2" {
			t.Errorf("a message of %s carries %q", id, got)
		}
	}
}

// rebind binds again under the operation of a binding, as the allowlist does.
func rebind(t testing.TB, k *allowlisttest.Kit, secret string, b *vaultv1.Binding, host string, port uint32) {
	t.Helper()
	allowlisttest.Must(t, tryRebind(t, k, secret, b, host, port))
}

func tryRebind(t testing.TB, k *allowlisttest.Kit, secret string, b *vaultv1.Binding, host string, port uint32) error {
	t.Helper()
	_, err := k.Bindings.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: secret, Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: host, Port: port, Referrer: b.GetReferrer(), OperationId: b.GetOperationId(),
	})
	return err
}

// An allowlist that was not upgraded reports nothing: existing bindings keep working, and no new
// ones are added.
func TestOnlyBindingsFromBeforeTheUpgradeAreReported(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	for range 2 {
		if got := authorization(t, k, "other"); got != "the value of version 2" {
			t.Errorf("a message without a report carries %q", got)
		}
		k.VaultServer.Stop()
		k.StartVault(t)
		k.Restart(t)
	}
	old := k.Held(t, secret)[0]
	allowlisttest.WantError(t, "a report without a binding", tryRebind(t, k, secret, &vaultv1.Binding{Referrer: allowlisttest.NameOf("other"), OperationId: "made-up"}, allowlisttest.Partner, 8443),
		codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	allowlisttest.WantError(t, "a report of another host", tryRebind(t, k, secret, old, "other.example", 8443), codes.InvalidArgument, "INVALID_FIELD")
	allowlisttest.WantError(t, "a report for another endpoint", tryRebind(t, k, secret, &vaultv1.Binding{Referrer: allowlisttest.NameOf("none"), OperationId: old.GetOperationId()}, allowlisttest.Partner, 8443),
		codes.InvalidArgument, "INVALID_FIELD")
	allowlisttest.WantError(t, "a report without a port", tryRebind(t, k, secret, old, allowlisttest.Partner, 0), codes.InvalidArgument, "INVALID_FIELD")
	k.Active(t, "new", sending("https://api.partner.example/new", &allowlistv1.SecretRef{Name: secret}))
	for _, b := range k.Held(t, secret) {
		if b.GetReferrer() == allowlisttest.NameOf("new") {
			allowlisttest.WantError(t, "a report for a binding with a port", tryRebind(t, k, secret, b, allowlisttest.Partner, 8443), codes.FailedPrecondition, "HOST_NOT_ALLOWED")
		}
	}
	if hosts, _ := hostsOf(t, k, secret); !slices.Equal(hosts, []string{allowlisttest.Partner}) {
		t.Errorf("the hosts are %v", hosts)
	}
}

func TestAPortIsNotReportedIntoHostsThatWereNamedSince(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	allowlisttest.Must(t, allowHosts(t, k, secret, allowlisttest.Partner, "new.example"))
	repairs, err := k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	if hosts, _ := hostsOf(t, k, secret); !slices.Equal(hosts, []string{allowlisttest.Partner, "new.example"}) || repairs != 2 {
		t.Errorf("after %d repairs the hosts are %v", repairs, hosts)
	}
	if got := authorization(t, k, "plain") + " " + authorization(t, k, "other"); got != "the value of version 2 ENDPOINT_NOT_ACTIVE" {
		t.Errorf("messages = %s", got)
	}
	allowlisttest.Must(t, allowHosts(t, k, secret, allowlisttest.Partner, allowlisttest.Partner+":8443"))
	again := sending("", &allowlistv1.SecretRef{Name: secret})
	again.Name = allowlisttest.NameOf("other")
	_, err = k.Owner.Update(t, again, "headers")
	allowlisttest.Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("other")})
	allowlisttest.Must(t, err)
	if got := authorization(t, k, "other"); got != "the value of version 2" {
		t.Errorf("after it was saved again a message carries %q", got)
	}
}

func TestAVaultThatWasRestoredFromBeforeTheReportReceivesItAgain(t *testing.T) {
	t.Parallel()
	k, _ := newEarlierKit(t)
	k.VaultServer.Stop()
	backup, err := os.ReadFile(k.VaultConfig.Store)
	allowlisttest.Must(t, err)
	k.StartVault(t)
	k.Restart(t)
	_, err = k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	k.VaultServer.Stop()
	allowlisttest.Must(t, os.WriteFile(k.VaultConfig.Store, backup, 0o600))
	k.StartVault(t)
	k.Restart(t)
	k.AcceptVault(t)
	if got := authorization(t, k, "plain") + " " + authorization(t, k, "other"); got != "the value of version 2 HOST_NOT_ALLOWED" {
		t.Errorf("messages before the comparison = %s", got)
	}
	_, err = k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	if got := authorization(t, k, "other"); got != "the value of version 2" {
		t.Errorf("a message after the comparison carries %q", got)
	}
}
