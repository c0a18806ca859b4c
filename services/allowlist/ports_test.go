package allowlist_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// sending is an endpoint at a URL that encrypts under the secret `key` and sends a credential in
// a header.
func sending(url string, ref *allowlistv1.SecretRef) *allowlistv1.Endpoint {
	e := draft(workspace + "/secrets/key")
	e.Url = url
	e.Headers = []*allowlistv1.Parameter{{Name: "Authorization", Source: &allowlistv1.Parameter_Secret{Secret: ref}}}
	return e
}

func (k *kit) rotateToken(t testing.TB, secret, text string, hosts ...string) error {
	t.Helper()
	_, err := k.secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{
		Name: secret, AllowedHosts: hosts, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}},
	}})
	return err
}

// authorization returns what a message of the endpoint carries, or the reason of the refusal.
func (k *kit) authorization(t testing.TB, id string) string {
	t.Helper()
	sent, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte("{}")})
	if err != nil {
		return servertest.Reason(err)
	}
	return sent.GetHeaders()[0].GetValue()
}

func TestAnOwnerDoesNotSendACredentialToAnotherPort(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.secret(t, "key")
	secret := k.credential(t, "token", "the value of version 1", partner)
	ref := &allowlistv1.SecretRef{Name: secret}
	k.active(t, "orders", sending("https://api.partner.example/orders", ref))
	for _, url := range []string{
		"https://api.partner.example:8443/orders", "https://API.Partner.Example.:8443/orders", "https://api.partner.example:08443/orders",
		"https://ａpi.partner.example:8443/orders", "https://api.partner.example:80/orders",
	} {
		_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: "other", Endpoint: sending(url, ref)})
		wantError(t, "an endpoint at "+url, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
		missing := servertest.Metadata(err)["host"]
		if v := servertest.Violations(err); !strings.HasPrefix(missing, partner+":8") || len(v) != 1 || !strings.Contains(v[0].Description, "add "+missing+" ") {
			t.Errorf("the refusal of %s says %q, %v", url, missing, v)
		}
		_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: url})
		wantError(t, "a move to "+url, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	}
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: "https://API.partner.example.:443/orders"})
	must(t, err)

	// With a value of theirs they may, but the value of version 1 does not come along.
	must(t, k.rotateToken(t, secret, "the value of version 2", partner, partner+":8443"))
	pinned := sending("https://api.partner.example:8443/pinned", &allowlistv1.SecretRef{Name: secret, Version: 1})
	_, err = k.refusal(t, pinned)
	wantError(t, "the version before at the new port", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	k.active(t, "other", sending("https://api.partner.example:8443/other", ref))
	if got := k.authorization(t, "other"); got != "the value of version 2" {
		t.Errorf("the message carries %q", got)
	}
	_, err = k.secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: secret + "/versions/1"})
	wantError(t, "a restore of the version before", err, codes.FailedPrecondition, "SECRET_IN_USE")

	// The allowlist answers whether a redirect may be followed: not without an endpoint there.
	if got := verdict(k.sender.check(t, "POST", "https://api.partner.example:8443/orders")); got != "NO_ENDPOINT" {
		t.Errorf("a redirect to another port = %s", got)
	}
}

// agePorts stops both programs, makes their stores those of releases that kept no ports, and
// starts them again.
func (k *kit) agePorts(t testing.TB) {
	t.Helper()
	k.server.Stop()
	k.vaultServer.Stop()
	bare := func(_ []byte, record map[string]any) map[string]any {
		hosts, _ := record["allowed_hosts"].([]any)
		hosts = slices.DeleteFunc(hosts, func(host any) bool { return strings.Contains(host.(string), ":") })
		for _, name := range []string{"ports", "port", "allowed_hosts"} {
			delete(record, name)
		}
		if len(hosts) > 0 {
			record["allowed_hosts"] = hosts
		}
		return record
	}
	for _, space := range []string{"secret", "version", "binding"} {
		rewrite(t, k.vaultConfig.Store, space, bare)
	}
	rewrite(t, k.config.Store, "endpoint", func(_ []byte, record map[string]any) map[string]any {
		references, _ := record["references"].([]any)
		for _, reference := range references {
			bare(nil, reference.(map[string]any))
		}
		return record
	})
	k.countHosts(t)
	k.startVault(t)
	k.start(t)
}

// countHosts makes the counters of bindings to hosts those of a release that kept no ports.
func (k *kit) countHosts(t testing.TB) {
	t.Helper()
	db, err := boltkv.Open(k.vaultConfig.Store, boltkv.Options{})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.Update(t.Context(), func(tx kv.Tx) error {
		var pairs []kv.Pair
		for pair, err := range tx.Scan(kv.Prefix(kv.NewKey("host"), 100)) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		for _, pair := range pairs {
			var parts []string
			for rest := pair.Key[len(kv.NewKey("host")):]; len(rest) > 0; {
				var part string
				if part, rest, err = kv.CutText(rest); err != nil {
					return err
				}
				parts = append(parts, part)
			}
			host, _, _ := strings.Cut(parts[1], ":")
			if err := tx.Delete(pair.Key); err != nil {
				return err
			}
			if err := tx.Put(kv.NewKey("host").Text(parts[0]).Text(host).Text(parts[2]), pair.Value); err != nil {
				return err
			}
		}
		return nil
	}))
}

// hostsOf returns the hosts of a secret and of its versions, the newest first.
func (k *kit) hostsOf(t testing.TB, secret string) (hosts []string, versions [][]string) {
	t.Helper()
	got, err := k.vaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	must(t, err)
	list, err := k.vaultSA.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: secret})
	must(t, err)
	for _, v := range list.GetVersions() {
		versions = append(versions, v.GetAllowedHosts())
	}
	return got.GetSecret().GetAllowedHosts(), versions
}

func (k *kit) changesOf(t testing.TB, secret string) []*vaultv1.SecretChange {
	t.Helper()
	list, err := k.vaultSA.ListSecretHistory(t.Context(), &vaultv1.ListSecretHistoryRequest{Name: secret, PageSize: 100})
	must(t, err)
	return list.GetChanges()
}

// An earlier kit has endpoints that earlier releases saved: `plain` on port 443, `other` on port
// 8443, and `off` on port 9443, which is not in use. Their token has two versions.
func newEarlierKit(t testing.TB) (k *kit, secret string) {
	t.Helper()
	k = newKit(t)
	k.secret(t, "key")
	secret = k.credential(t, "token", "the value of version 1", partner, partner+":8443", partner+":9443")
	must(t, k.rotateToken(t, secret, "the value of version 2"))
	ref := &allowlistv1.SecretRef{Name: secret}
	k.active(t, "plain", sending("https://api.partner.example/plain", ref))
	k.active(t, "other", sending("https://api.partner.example:8443/other", ref))
	k.owner.create(t, "off", sending("https://api.partner.example:9443/off", ref))
	k.agePorts(t)
	for _, b := range k.held(t, secret) {
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
	etag := k.owner.get(t, "other").GetEtag()
	if hosts, _ := k.hostsOf(t, secret); !slices.Equal(hosts, []string{partner}) {
		t.Fatalf("the hosts of an earlier release are %v", hosts)
	}
	// Before the report, what there is works, and no other endpoint comes to a port.
	for _, id := range []string{"plain", "other"} {
		if got := k.authorization(t, id); got != "the value of version 2" {
			t.Errorf("a message of %s before the report carries %q", id, got)
		}
	}
	refused := func(when string) {
		t.Helper()
		for _, port := range []string{"7443", "80"} {
			_, err := k.refusal(t, sending("https://api.partner.example:"+port+"/new", ref))
			wantError(t, "another endpoint on "+port+when, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
			for _, id := range []string{"plain", "other", "off"} {
				_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf(id), Url: "https://api.partner.example:" + port + "/" + id})
				wantError(t, id+" on "+port+when, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
			}
		}
	}
	refused(" before the report")
	_, err := k.refusal(t, sending("https://api.partner.example:8443/new", ref))
	wantError(t, "another endpoint on the port before the report", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")

	for range 2 { // the second time there is nothing to report
		_, err = k.allowlist.Reconcile(t.Context())
		must(t, err)
		for _, id := range []string{"plain", "other"} {
			if got := k.authorization(t, id); got != "the value of version 2" {
				t.Errorf("a message of %s after the report carries %q", id, got)
			}
		}
	}
	hosts, versions := k.hostsOf(t, secret)
	for _, got := range append(versions, hosts) {
		if want := []string{partner, partner + ":8443", partner + ":9443"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
			t.Errorf("hosts after the report = %v, want %v", got, want)
		}
	}
	refused(" after the report")
	history := k.owner.history(t, nameOf("other"))
	if history[0].GetAction() != allowlistv1.EndpointChange_ACTION_PURPOSES_REPORTED || history[1].GetAction() == history[0].GetAction() || k.owner.get(t, "other").GetEtag() != etag {
		t.Errorf("the log of the endpoint says %v", history)
	}
	changes := slices.DeleteFunc(k.changesOf(t, secret), func(c *vaultv1.SecretChange) bool {
		return c.GetAction() != vaultv1.SecretChange_ACTION_UPDATED || len(c.GetReferrers()) == 0
	})
	if len(changes) != 2 || changes[0].GetActor().GetSubject() != k.env.Resolver(t).Subject || len(changes[0].GetNewAllowedHosts()) != 3 {
		t.Errorf("the log of the secret says %v", changes)
	}
	must(t, k.allowlist.Verify(t.Context()))

	k.activate(t, "off")
	k.active(t, "new", sending("https://api.partner.example:8443/new", ref))
	_, err = k.secrets.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: secret + "/versions/1"})
	must(t, err)
	for _, id := range []string{"plain", "other", "off", "new"} {
		eventually(t, func() bool { return k.authorization(t, id) == "the value of version 1" }, "%s does not send the restored version", id)
	}
	err = k.allowHosts(t, secret, partner, partner+":9443")
	wantError(t, "removing a reported port", err, codes.FailedPrecondition, "SECRET_IN_USE")
	for _, id := range []string{"other", "new"} {
		k.owner.delete(t, id)
	}
	k.settle(t, secret, 2)
	must(t, k.allowHosts(t, secret, partner, partner+":9443"))
}

// The allowlist stops after the vault has heard of a port, and before it knows that.
func TestAReportThatIsCutShortIsMadeAgain(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	for _, b := range k.held(t, secret) {
		if b.GetReferrer() == nameOf("other") {
			k.rebind(t, secret, b, partner, 8443)
		}
	}
	k.restart(t)
	if got := k.authorization(t, "other"); got != "the value of version 2" {
		t.Errorf("a message in between carries %q", got)
	}
	_, err := k.allowlist.Reconcile(t.Context())
	must(t, err)
	k.vaultServer.Stop()
	k.startVault(t)
	k.restart(t)
	for _, b := range k.held(t, secret) {
		if want := map[string]uint32{nameOf("plain"): 443, nameOf("other"): 8443, nameOf("off"): 9443}[b.GetReferrer()]; b.GetPort() != want {
			t.Errorf("the binding of %s has port %d, want %d", b.GetReferrer(), b.GetPort(), want)
		}
	}
	for _, id := range []string{"plain", "other"} {
		if got := k.authorization(t, id); got != "the value of version 2" {
			t.Errorf("a message of %s carries %q", id, got)
		}
	}
}

// rebind binds again under the operation of a binding, as the allowlist does.
func (k *kit) rebind(t testing.TB, secret string, b *vaultv1.Binding, host string, port uint32) {
	t.Helper()
	must(t, k.tryRebind(t, secret, b, host, port))
}

func (k *kit) tryRebind(t testing.TB, secret string, b *vaultv1.Binding, host string, port uint32) error {
	t.Helper()
	_, err := k.bindings.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: secret, Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: host, Port: port, Referrer: b.GetReferrer(), OperationId: b.GetOperationId(),
	})
	return err
}

// An allowlist that was not upgraded reports nothing: what is bound goes on, and nothing comes.
func TestOnlyBindingsFromBeforeTheUpgradeAreReported(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	for range 2 {
		if got := k.authorization(t, "other"); got != "the value of version 2" {
			t.Errorf("a message without a report carries %q", got)
		}
		k.vaultServer.Stop()
		k.startVault(t)
		k.restart(t)
	}
	old := k.held(t, secret)[0]
	wantError(t, "a report without a binding", k.tryRebind(t, secret, &vaultv1.Binding{Referrer: nameOf("other"), OperationId: "made-up"}, partner, 8443),
		codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	wantError(t, "a report of another host", k.tryRebind(t, secret, old, "other.example", 8443), codes.InvalidArgument, "INVALID_FIELD")
	wantError(t, "a report for another endpoint", k.tryRebind(t, secret, &vaultv1.Binding{Referrer: nameOf("none"), OperationId: old.GetOperationId()}, partner, 8443),
		codes.InvalidArgument, "INVALID_FIELD")
	wantError(t, "a report without a port", k.tryRebind(t, secret, old, partner, 0), codes.InvalidArgument, "INVALID_FIELD")
	k.active(t, "new", sending("https://api.partner.example/new", &allowlistv1.SecretRef{Name: secret}))
	for _, b := range k.held(t, secret) {
		if b.GetReferrer() == nameOf("new") {
			wantError(t, "a report of a binding of now", k.tryRebind(t, secret, b, partner, 8443), codes.FailedPrecondition, "HOST_NOT_ALLOWED")
		}
	}
	if hosts, _ := k.hostsOf(t, secret); !slices.Equal(hosts, []string{partner}) {
		t.Errorf("the hosts are %v", hosts)
	}
}

func TestAPortIsNotReportedIntoHostsThatWereNamedSince(t *testing.T) {
	t.Parallel()
	k, secret := newEarlierKit(t)
	must(t, k.allowHosts(t, secret, partner, "new.example"))
	repairs, err := k.allowlist.Reconcile(t.Context())
	must(t, err)
	if hosts, _ := k.hostsOf(t, secret); !slices.Equal(hosts, []string{partner, "new.example"}) || repairs != 2 {
		t.Errorf("after %d repairs the hosts are %v", repairs, hosts)
	}
	if got := k.authorization(t, "plain") + " " + k.authorization(t, "other"); got != "the value of version 2 ENDPOINT_NOT_ACTIVE" {
		t.Errorf("messages = %s", got)
	}
	must(t, k.allowHosts(t, secret, partner, partner+":8443"))
	again := sending("", &allowlistv1.SecretRef{Name: secret})
	again.Name = nameOf("other")
	_, err = k.owner.update(t, again, "headers")
	must(t, err)
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("other")})
	must(t, err)
	if got := k.authorization(t, "other"); got != "the value of version 2" {
		t.Errorf("after it was saved again a message carries %q", got)
	}
}

func TestAVaultThatWasRestoredFromBeforeTheReportHearsItAgain(t *testing.T) {
	t.Parallel()
	k, _ := newEarlierKit(t)
	k.vaultServer.Stop()
	backup, err := os.ReadFile(k.vaultConfig.Store)
	must(t, err)
	k.startVault(t)
	k.restart(t)
	_, err = k.allowlist.Reconcile(t.Context())
	must(t, err)
	k.vaultServer.Stop()
	must(t, os.WriteFile(k.vaultConfig.Store, backup, 0o600))
	k.startVault(t)
	k.restart(t)
	if got := k.authorization(t, "plain") + " " + k.authorization(t, "other"); got != "the value of version 2 HOST_NOT_ALLOWED" {
		t.Errorf("messages before the comparison = %s", got)
	}
	_, err = k.allowlist.Reconcile(t.Context())
	must(t, err)
	if got := k.authorization(t, "other"); got != "the value of version 2" {
		t.Errorf("a message after the comparison carries %q", got)
	}
}
