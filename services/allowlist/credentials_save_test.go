package allowlist_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestReferencesToCredentialsAreCheckedWhenSaved(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	good := k.credential(t, "token", "sesame", partner)
	elsewhere := k.credential(t, "elsewhere", "sesame", "other.example")
	foreign := k.secretIn(t, "workspaces/other", "key", 1)
	key := k.secret(t, "key")
	headers := func(p ...*allowlistv1.Parameter) func(*allowlistv1.Endpoint) {
		return func(e *allowlistv1.Endpoint) { e.Headers = p }
	}
	values := func(v ...*allowlistv1.BodyValue) func(*allowlistv1.Endpoint) {
		return func(e *allowlistv1.Endpoint) { e.BodyValues = v }
	}
	decoded := referring("a", good)
	decoded.GetSecret().Decoding = allowlistv1.Decoding_DECODING_HEX
	const direct, field, refused = "DIRECT_KEY_NOT_SUPPORTED", "INVALID_FIELD", codes.FailedPrecondition
	for _, tt := range []struct {
		name   string
		change func(*allowlistv1.Endpoint)
		code   codes.Code
		reason string
		fields []string
	}{
		{"a credential for a reference", headers(referring("a", "sesame-canary")), codes.InvalidArgument, direct, []string{"endpoint.headers[0].secret.name"}},
		{
			"several, in each place", func(e *allowlistv1.Endpoint) {
				e.Headers = []*allowlistv1.Parameter{referring("a", good), header("cookie", "sesame-canary")}
				e.QueryParameters = []*allowlistv1.Parameter{referring("b", "sesame-canary/x")}
				e.BodyValues = []*allowlistv1.BodyValue{bodyValue("sesame-canary", "sesame-canary")}
			}, codes.InvalidArgument, direct,
			[]string{
				"endpoint.query_parameters[0].secret.name", "endpoint.body_values[0].secret.name", "endpoint.body_values[0].path",
				"endpoint.headers[1].value",
			},
		},
		{"no name", headers(referring("a", "")), codes.InvalidArgument, field, []string{"endpoint.headers[0].secret.name"}},
		{"another workspace's", headers(referring("a", foreign)), codes.InvalidArgument, field, []string{"endpoint.headers[0].secret.name"}},
		{"a decoding", headers(decoded), codes.InvalidArgument, field, []string{"endpoint.headers[0].secret.decoding"}},
		{"two values in one place", values(bodyValue("$.a", good), bodyValue("$['a']", good)), codes.InvalidArgument, field, []string{"endpoint.body_values[1].path"}},
		{"an element of an array", values(bodyValue("$.a[0]", good)), codes.InvalidArgument, field, []string{"endpoint.body_values[0].path"}},
		{"a host that is not allowed", values(bodyValue("$.a", good), bodyValue("$.b", elsewhere)), refused, "HOST_NOT_ALLOWED", []string{"endpoint.body_values[1].secret.name"}},
		{"a key", headers(header("x", "y"), referring("a", key)), refused, "USAGE_NOT_ALLOWED", []string{"endpoint.headers[1].secret.name"}},
		{
			"a credential as a key", func(e *allowlistv1.Endpoint) {
				e.Headers, e.Encryption = []*allowlistv1.Parameter{referring("a", good)}, encrypted(good)
			},
			refused, "USAGE_NOT_ALLOWED",
			[]string{"endpoint.encryption.request.cipher.shared_key.keys[0].name"},
		},
		{"what is not there", headers(referring("a", workspace+"/secrets/none")), codes.NotFound, "SECRET_NOT_FOUND", []string{"endpoint.headers[0].secret.name"}},
	} {
		e := draft()
		tt.change(e)
		_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: "bad", Endpoint: e})
		wantError(t, tt.name, err, tt.code, tt.reason)
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
		k.settle(t, secret, 0)
	}
}

func TestACredentialIsBoundForTheHostOfItsEndpoint(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.credential(t, "token", "sesame", partner, "new.example", "[2001:db8::1]:444")
	k.owner.create(t, "orders", equipped(k.secret(t, "key"), secret))
	bound := func(host string, port uint32) *vaultv1.Binding {
		t.Helper()
		k.settle(t, secret, 1)
		b := k.held(t, secret)[0]
		if b.GetUsage() != vaultv1.Usage_USAGE_CREDENTIAL || b.GetHost() != host || b.GetPort() != port || b.GetReferrer() != nameOf("orders") {
			t.Errorf("the binding is %v, want one for %s, port %d", b, host, port)
		}
		return b
	}
	first := bound(partner, 443)
	for _, keep := range []*allowlistv1.Endpoint{
		{Url: "https://API.partner.example.:443/v2/*"},
		{Description: "new"},
		{Headers: []*allowlistv1.Parameter{referring("X-Api-Key", secret)}},
	} {
		keep.Name = nameOf("orders")
		_, err := k.owner.update(t, keep)
		must(t, err)
	}
	if again := bound(partner, 443); again.GetOperationId() != first.GetOperationId() {
		t.Error("a change that needs no other binding makes one")
	}
	for _, url := range []string{"https://third.example/", "https://api.partner.example:8443/v2/*", "https://[2001:db8::1]/"} {
		_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: url})
		wantError(t, url, err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	}
	if got := k.owner.get(t, "orders").GetUrl(); got != "https://api.partner.example/v2/*" {
		t.Errorf("the refused moves leave the URL %s", got)
	}
	for _, move := range []struct {
		url, host string
		port      uint32
	}{{"https://new.example/", "new.example", 443}, {"https://[2001:DB8::1]:444/", "2001:db8::1", 444}} {
		_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: move.url})
		must(t, err)
		bound(move.host, move.port)
	}
	// The host that the endpoint has left may go, the one that it is on may not.
	wantError(t, "removing a host in use", k.allowHosts(t, secret, partner), codes.FailedPrecondition, "SECRET_IN_USE")
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: "https://new.example/"})
	must(t, err)
	bound("new.example", 443)
	must(t, k.allowHosts(t, secret, "new.example"))
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders")}, "headers", "query_parameters", "body_values")
	must(t, err)
	k.settle(t, secret, 0)
	if change := k.owner.history(t, nameOf("orders"))[0]; !slices.Equal(change.GetSecrets(), []string{workspace + "/secrets/key"}) {
		t.Errorf("the log names %v, want the key alone", change.GetSecrets())
	}
}

func TestTheHostIsCheckedAgainWithEachMessage(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.credential(t, "token", "sesame", partner, "other.example")
	k.active(t, "orders", equipped(k.secret(t, "key"), secret))
	// Somebody with the allowlist's identity gives up the binding, so that the host can
	// go, and holds another one, so that the value can be resolved all the same.
	_, err := k.bindings.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: secret, Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: "other.example", Port: 443, Referrer: nameOf("ghost"), OperationId: "ghost",
	})
	must(t, err)
	for _, b := range k.held(t, secret) {
		if b.GetOperationId() != "ghost" {
			_, err := k.bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: b.GetOperationId()})
			must(t, err)
		}
	}
	must(t, k.allowHosts(t, secret, "other.example"))
	eventually(t, func() bool { // what is kept in memory may be a moment old
		_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"auth":{}}`)})
		return servertest.Reason(err) == "HOST_NOT_ALLOWED" && status.Code(err) == codes.FailedPrecondition
	}, "a credential is sent to a host that it may not be sent to")
}

func TestALostCredentialSwitchesTheEndpointOffUntilItIsSavedAgain(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.credential(t, "token", "sesame", partner)
	k.active(t, "orders", equipped(k.secret(t, "key"), secret))
	_, err := k.secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret})
	wantError(t, "DeleteSecret of a credential in use", err, codes.FailedPrecondition, "SECRET_IN_USE")
	_, err = k.vaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	must(t, err)
	eventually(t, func() bool {
		_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"auth":{}}`)})
		return servertest.Reason(err) == "ENDPOINT_NOT_ACTIVE"
	}, "Encrypt with a credential that is gone = %v", err)
	k.credential(t, "token", "another", partner)
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
	wantError(t, "ActivateEndpoint with another secret of the name", err, codes.NotFound, "SECRET_NOT_FOUND")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Headers: equipped("", secret).GetHeaders()}, "headers")
	must(t, err)
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders")})
	must(t, err)
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"auth":{}}`)})
	if got := pairs(sent.GetHeaders()); got != "X-Partner=acme&Authorization=another" {
		t.Errorf("headers = %s", got)
	}
	k.settle(t, secret, 1)
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
			k := newKit(t)
			key := k.secret(t, "key")
			a, b := k.credential(t, "a", "a", partner), k.credential(t, "b", "b", partner)
			k.active(t, "orders", equipped(key, a))
			k.steps.set(crashAt(tt.step, tt.nth))
			e := equipped(key, b)
			e.Name = nameOf("orders")
			_, _ = k.owner.update(t, e, "headers", "query_parameters", "body_values") // where it ends is the step's affair
			k.server.Stop()
			k.steps.set(nil)
			k.start(t)
			for id, secret := range map[string]string{"a": a, "b": b} {
				k.settle(t, secret, map[bool]int{true: 1}[id == tt.want])
			}
			k.settle(t, key, 1)
			sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"auth":{}}`)})
			if got := pairs(sent.GetQueryParameters()); got != "api_key="+tt.want+"&v=2" {
				t.Errorf("query parameters = %s, want those of %s", got, tt.want)
			}
		})
	}
}

func TestSavesOfDifferentReferencesDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key, other := k.secret(t, "key"), k.secret(t, "other")
	a, b := k.credential(t, "a", "a", partner, "new.example"), k.credential(t, "b", "b", partner, "new.example")
	k.active(t, "orders", equipped(key, a))
	var saves sync.WaitGroup
	for i := range 30 {
		saves.Go(func() {
			e := &allowlistv1.Endpoint{Name: nameOf("orders")}
			switch i % 3 {
			case 0:
				e.Encryption = encrypted([]string{key, other}[i/3%2])
			case 1:
				e.Headers = []*allowlistv1.Parameter{referring("x", []string{a, b}[i/3%2])}
			case 2:
				e.Url = []string{"https://new.example/", "https://api.partner.example/"}[i/3%2]
			}
			if _, err := k.owner.update(t, e); err != nil && servertest.Reason(err) != "CONTENTION" {
				t.Errorf("UpdateEndpoint = %v", err)
			}
		})
	}
	saves.Wait()
	e := k.owner.get(t, "orders")
	host := strings.TrimSuffix(strings.TrimPrefix(e.GetUrl(), "https://"), "/")
	want := map[string]bool{
		e.GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].GetName(): true,
		e.GetHeaders()[len(e.GetHeaders())-1].GetSecret().GetName():                      true,
		e.GetQueryParameters()[0].GetSecret().GetName():                                  true,
	}
	host, _, _ = strings.Cut(host, "/")
	for _, secret := range []string{key, other, a, b} {
		k.settle(t, secret, map[bool]int{true: 1}[want[secret]])
		for _, binding := range k.held(t, secret) {
			if binding.GetUsage() == vaultv1.Usage_USAGE_CREDENTIAL && binding.GetHost() != host {
				t.Errorf("%s is bound for %s while the endpoint is on %s", secret, binding.GetHost(), host)
			}
		}
	}
	must(t, k.allowlist.Verify(t.Context()))
	k.activate(t, "orders")
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"auth":{}}`)})
}

func TestAnotherSaveInBetweenCannotLeaveAReferenceUnbound(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	key, other := k.secret(t, "key"), k.secret(t, "other")
	a, b := k.credential(t, "a", "a", partner), k.credential(t, "b", "b", partner)
	k.owner.create(t, "orders", equipped(key, a))
	var overtaken atomic.Bool
	k.steps.set(func(step string) error {
		if step != "bound" || overtaken.Swap(true) {
			return nil
		}
		_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(other)}, "encryption")
		return err
	})
	save := &allowlistv1.Endpoint{Name: nameOf("orders"), Headers: []*allowlistv1.Parameter{referring("x", b)}}
	_, err := k.owner.update(t, save, "headers")
	wantError(t, "a save that another overtakes", err, codes.Aborted, "CONTENTION")
	k.steps.set(nil)
	_, err = k.owner.update(t, save, "headers")
	must(t, err)
	for secret, want := range map[string]int{key: 0, other: 1, a: 1, b: 1} {
		k.settle(t, secret, want)
	}
}
