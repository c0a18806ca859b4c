package endpoint_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func allowHosts(t testing.TB, k *allowlisttest.Kit, secret string, hosts ...string) error {
	t.Helper()
	_, err := k.VaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret:     &vaultv1.Secret{Name: secret, AllowedHosts: hosts},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"allowed_hosts"}},
	})
	return err
}

func TestReferencesToCredentialsAreCheckedWhenSaved(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	good := k.Credential(t, "token", "sesame", allowlisttest.Partner)
	elsewhere := k.Credential(t, "elsewhere", "sesame", "other.example")
	foreign := k.SecretIn(t, "workspaces/other", "key", 1)
	key := k.Secret(t, "key")
	headers := func(p ...*allowlistv1.Parameter) func(*allowlistv1.Endpoint) {
		return func(e *allowlistv1.Endpoint) { e.Headers = p }
	}
	values := func(v ...*allowlistv1.BodyValue) func(*allowlistv1.Endpoint) {
		return func(e *allowlistv1.Endpoint) { e.BodyValues = v }
	}
	decoded := allowlisttest.Referring("a", good)
	decoded.GetSecret().Decoding = allowlistv1.Decoding_DECODING_HEX
	const direct, field, refused = "DIRECT_KEY_NOT_SUPPORTED", "INVALID_FIELD", codes.FailedPrecondition
	for _, tt := range []struct {
		name   string
		change func(*allowlistv1.Endpoint)
		code   codes.Code
		reason string
		fields []string
	}{
		{"a credential for a reference", headers(allowlisttest.Referring("a", "sesame-canary")), codes.InvalidArgument, direct, []string{"endpoint.headers[0].secret.name"}},
		{
			"several, in each place", func(e *allowlistv1.Endpoint) {
				e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("a", good), allowlisttest.Header("cookie", "sesame-canary")}
				e.QueryParameters = []*allowlistv1.Parameter{allowlisttest.Referring("b", "sesame-canary/x")}
				e.BodyValues = []*allowlistv1.BodyValue{allowlisttest.BodyValue("sesame-canary", "sesame-canary")}
			}, codes.InvalidArgument, direct,
			[]string{
				"endpoint.query_parameters[0].secret.name", "endpoint.body_values[0].secret.name", "endpoint.body_values[0].path",
				"endpoint.headers[1].value",
			},
		},
		{"no name", headers(allowlisttest.Referring("a", "")), codes.InvalidArgument, field, []string{"endpoint.headers[0].secret.name"}},
		{"another workspace's", headers(allowlisttest.Referring("a", foreign)), codes.InvalidArgument, field, []string{"endpoint.headers[0].secret.name"}},
		{"a decoding", headers(decoded), codes.InvalidArgument, field, []string{"endpoint.headers[0].secret.decoding"}},
		{"two values in one place", values(allowlisttest.BodyValue("$.a", good), allowlisttest.BodyValue("$['a']", good)), codes.InvalidArgument, field, []string{"endpoint.body_values[1].path"}},
		{"an element of an array", values(allowlisttest.BodyValue("$.a[0]", good)), codes.InvalidArgument, field, []string{"endpoint.body_values[0].path"}},
		{"a host that is not allowed", values(allowlisttest.BodyValue("$.a", good), allowlisttest.BodyValue("$.b", elsewhere)), refused, "HOST_NOT_ALLOWED", []string{"endpoint.body_values[1].secret.name"}},
		{"a key", headers(allowlisttest.Header("x", "y"), allowlisttest.Referring("a", key)), refused, "USAGE_NOT_ALLOWED", []string{"endpoint.headers[1].secret.name"}},
		{
			"a credential as a key", func(e *allowlistv1.Endpoint) {
				e.Headers, e.Encryption = []*allowlistv1.Parameter{allowlisttest.Referring("a", good)}, allowlisttest.Encrypted(good)
			},
			refused, "USAGE_NOT_ALLOWED",
			[]string{"endpoint.encryption.request.cipher.shared_key.keys[0].name"},
		},
		{"a missing secret", headers(allowlisttest.Referring("a", allowlisttest.Workspace+"/secrets/none")), codes.NotFound, "SECRET_NOT_FOUND", []string{"endpoint.headers[0].secret.name"}},
	} {
		e := allowlisttest.Draft()
		tt.change(e)
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "bad", Endpoint: e})
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
		var fields []string
		for _, v := range servertest.Violations(err) {
			fields = append(fields, v.Field)
		}
		if !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: fields = %v, want %v", tt.name, fields, tt.fields)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err)), "sesame-canary")
	}
	for _, secret := range []string{good, elsewhere, key} {
		k.Settle(t, secret, 0)
	}
}

func TestACredentialIsBoundForTheHostOfItsEndpoint(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Credential(t, "token", "sesame", allowlisttest.Partner, "new.example", "[2001:db8::1]:444")
	k.Owner.Create(t, "orders", allowlisttest.Equipped(k.Secret(t, "key"), secret))
	bound := func(host string, port uint32) *vaultv1.Binding {
		t.Helper()
		k.Settle(t, secret, 1)
		b := k.Held(t, secret)[0]
		if b.GetUsage() != vaultv1.Usage_USAGE_CREDENTIAL || b.GetHost() != host || b.GetPort() != port || b.GetReferrer() != allowlisttest.NameOf("orders") {
			t.Errorf("the binding is %v, want one for %s, port %d", b, host, port)
		}
		return b
	}
	first := bound(allowlisttest.Partner, 443)
	for _, keep := range []*allowlistv1.Endpoint{
		{Url: "https://API.partner.example.:443/v2/*"},
		{Description: "new"},
		{Headers: []*allowlistv1.Parameter{allowlisttest.Referring("X-Api-Key", secret)}},
	} {
		keep.Name = allowlisttest.NameOf("orders")
		_, err := k.Owner.Update(t, keep)
		allowlisttest.Must(t, err)
	}
	if again := bound(allowlisttest.Partner, 443); again.GetOperationId() != first.GetOperationId() {
		t.Error("a change that needs no other binding makes one")
	}
	for _, url := range []string{"https://third.example/", "https://api.partner.example:8443/v2/*", "https://[2001:db8::1]/"} {
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: url})
		allowlisttest.WantError(t, url, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	}
	if got := k.Owner.Get(t, "orders").GetUrl(); got != "https://api.partner.example/v2/*" {
		t.Errorf("the refused moves leave the URL %s", got)
	}
	for _, move := range []struct {
		url, host string
		port      uint32
	}{{"https://new.example/", "new.example", 443}, {"https://[2001:DB8::1]:444/", "2001:db8::1", 444}} {
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: move.url})
		allowlisttest.Must(t, err)
		bound(move.host, move.port)
	}
	// The old host of the endpoint can be removed, but not the current one.
	allowlisttest.WantError(t, "removing a host in use", allowHosts(t, k, secret, allowlisttest.Partner), codes.FailedPrecondition, "SECRET_IN_USE")
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: "https://new.example/"})
	allowlisttest.Must(t, err)
	bound("new.example", 443)
	allowlisttest.Must(t, allowHosts(t, k, secret, "new.example"))
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders")}, "headers", "query_parameters", "body_values")
	allowlisttest.Must(t, err)
	k.Settle(t, secret, 0)
	if change := k.Owner.History(t, allowlisttest.NameOf("orders"))[0]; !slices.Equal(change.GetSecrets(), []string{allowlisttest.Workspace + "/secrets/key"}) {
		t.Errorf("the log names %v, want the key alone", change.GetSecrets())
	}
}

func TestTheHostIsCheckedAgainWithEachMessage(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Credential(t, "token", "sesame", allowlisttest.Partner, "other.example")
	k.Active(t, "orders", allowlisttest.Equipped(k.Secret(t, "key"), secret))
	// A caller with the allowlist's identity gives up the binding, so that the host can be removed,
	// and creates another one, so that the value can still be resolved.
	_, err := k.Bindings.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: secret, Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: "other.example", Port: 443, Referrer: allowlisttest.NameOf("ghost"), OperationId: "ghost",
	})
	allowlisttest.Must(t, err)
	for _, b := range k.Held(t, secret) {
		if b.GetOperationId() != "ghost" {
			_, err := k.Bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: b.GetOperationId()})
			allowlisttest.Must(t, err)
		}
	}
	allowlisttest.Must(t, allowHosts(t, k, secret, "other.example"))
	allowlisttest.Eventually(t, func() bool { // cached data may be slightly old
		_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{"auth":{}}`)})
		return servertest.Reason(err) == "HOST_NOT_ALLOWED" && status.Code(err) == codes.FailedPrecondition
	}, "a credential is sent to a host that is not allowed")
}

func TestALostCredentialSwitchesTheEndpointOffUntilItIsSavedAgain(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Credential(t, "token", "sesame", allowlisttest.Partner)
	k.Active(t, "orders", allowlisttest.Equipped(k.Secret(t, "key"), secret))
	_, err := k.Secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
	allowlisttest.WantError(t, "DeleteSecret of a credential in use", err, codes.FailedPrecondition, "SECRET_IN_USE")
	_, err = k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool {
		_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{"auth":{}}`)})
		return servertest.Reason(err) == "ENDPOINT_NOT_ACTIVE"
	}, "Encrypt with a deleted credential = %v", err)
	k.Credential(t, "token", "another", allowlisttest.Partner)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "ActivateEndpoint with another secret of the name", err, codes.NotFound, "SECRET_NOT_FOUND")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Headers: allowlisttest.Equipped("", secret).GetHeaders()}, "headers")
	allowlisttest.Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.Must(t, err)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{"auth":{}}`)})
	if got := allowlisttest.Pairs(sent.GetHeaders()); got != "X-Partner=acme&Authorization=another" {
		t.Errorf("headers = %s", got)
	}
	k.Settle(t, secret, 1)
}

func TestACrashInASaveOfCredentialsLeavesNothingDanglingAndNoPhantom(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		step string
		nth  int
		want string
	}{{"begun", 1, "a"}, {"bound", 1, "a"}, {"bound", 2, "a"}, {"saved", 1, "b"}, {"unbound", 1, "b"}} {
		t.Run(fmt.Sprintf("after step %s, time %d", tt.step, tt.nth), func(t *testing.T) {
			t.Parallel()
			k := allowlisttest.New(t)
			key := k.Secret(t, "key")
			a, b := k.Credential(t, "a", "a", allowlisttest.Partner), k.Credential(t, "b", "b", allowlisttest.Partner)
			k.Active(t, "orders", allowlisttest.Equipped(key, a))
			k.Steps.Set(crashAt(tt.step, tt.nth))
			e := allowlisttest.Equipped(key, b)
			e.Name = allowlisttest.NameOf("orders")
			_, _ = k.Owner.Update(t, e, "headers", "query_parameters", "body_values") // the step decides where it ends
			k.Server.Stop()
			k.Steps.Set(nil)
			k.Start(t)
			for id, secret := range map[string]string{"a": a, "b": b} {
				k.Settle(t, secret, map[bool]int{true: 1}[id == tt.want])
			}
			k.Settle(t, key, 1)
			sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{"auth":{}}`)})
			if got := allowlisttest.Pairs(sent.GetQueryParameters()); got != "api_key="+tt.want+"&v=2" {
				t.Errorf("query parameters = %s, want those of %s", got, tt.want)
			}
		})
	}
}

func TestSavesOfDifferentReferencesDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key, other := k.Secret(t, "key"), k.Secret(t, "other")
	a, b := k.Credential(t, "a", "a", allowlisttest.Partner, "new.example"), k.Credential(t, "b", "b", allowlisttest.Partner, "new.example")
	k.Active(t, "orders", allowlisttest.Equipped(key, a))
	var saves sync.WaitGroup
	for i := range 30 {
		saves.Go(func() {
			e := &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders")}
			switch i % 3 {
			case 0:
				e.Encryption = allowlisttest.Encrypted([]string{key, other}[i/3%2])
			case 1:
				e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("x", []string{a, b}[i/3%2])}
			case 2:
				e.Url = []string{"https://new.example/", "https://api.partner.example/"}[i/3%2]
			}
			if _, err := k.Owner.Update(t, e); err != nil && servertest.Reason(err) != "CONTENTION" {
				t.Errorf("UpdateEndpoint = %v", err)
			}
		})
	}
	saves.Wait()
	e := k.Owner.Get(t, "orders")
	host := strings.TrimSuffix(strings.TrimPrefix(e.GetUrl(), "https://"), "/")
	want := map[string]bool{
		e.GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].GetName(): true,
		e.GetHeaders()[len(e.GetHeaders())-1].GetSecret().GetName():                      true,
		e.GetQueryParameters()[0].GetSecret().GetName():                                  true,
	}
	host, _, _ = strings.Cut(host, "/")
	for _, secret := range []string{key, other, a, b} {
		k.Settle(t, secret, map[bool]int{true: 1}[want[secret]])
		for _, binding := range k.Held(t, secret) {
			if binding.GetUsage() == vaultv1.Usage_USAGE_CREDENTIAL && binding.GetHost() != host {
				t.Errorf("%s is bound for %s while the endpoint is on %s", secret, binding.GetHost(), host)
			}
		}
	}
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
	k.Activate(t, "orders")
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{"auth":{}}`)})
}

func TestAnotherSaveInBetweenCannotLeaveAReferenceUnbound(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key, other := k.Secret(t, "key"), k.Secret(t, "other")
	a, b := k.Credential(t, "a", "a", allowlisttest.Partner), k.Credential(t, "b", "b", allowlisttest.Partner)
	k.Owner.Create(t, "orders", allowlisttest.Equipped(key, a))
	var overtaken atomic.Bool
	k.Steps.Set(func(step string) error {
		if step != "bound" || overtaken.Swap(true) {
			return nil
		}
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(other)}, "encryption")
		return err
	})
	save := &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Headers: []*allowlistv1.Parameter{allowlisttest.Referring("x", b)}}
	_, err := k.Owner.Update(t, save, "headers")
	allowlisttest.WantError(t, "a save that another overtakes", err, codes.Aborted, "CONTENTION")
	k.Steps.Set(nil)
	_, err = k.Owner.Update(t, save, "headers")
	allowlisttest.Must(t, err)
	for secret, want := range map[string]int{key: 0, other: 1, a: 1, b: 1} {
		k.Settle(t, secret, want)
	}
}
