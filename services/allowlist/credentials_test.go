package allowlist_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const partner = "api.partner.example" // the host of draft

// credential stores a text that may be sent to the given hosts.
func (k *kit) credential(t testing.TB, id, text string, hosts ...string) string {
	t.Helper()
	_, err := k.vaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: workspace, SecretId: id, Secret: &vaultv1.Secret{
			Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts,
			Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}},
		},
	})
	must(t, err)
	return workspace + "/secrets/" + id
}

func (k *kit) allowHosts(t testing.TB, secret string, hosts ...string) error {
	t.Helper()
	_, err := k.secrets.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret:     &vaultv1.Secret{Name: secret, AllowedHosts: hosts},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"allowed_hosts"}},
	})
	return err
}

// referring is a header or query parameter that refers to a secret.
func referring(name, secret string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Secret{Secret: &allowlistv1.SecretRef{Name: secret}}}
}

func bodyValue(path, secret string) *allowlistv1.BodyValue {
	return &allowlistv1.BodyValue{Path: path, Secret: &allowlistv1.SecretRef{Name: secret}}
}

// equipped is an endpoint that sends a credential in each place.
func equipped(key, secret string) *allowlistv1.Endpoint {
	e := draft(key)
	e.Headers = []*allowlistv1.Parameter{header("X-Partner", "acme"), referring("Authorization", secret)}
	e.QueryParameters = []*allowlistv1.Parameter{referring("api_key", secret), header("v", "2")}
	e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.auth.apiKey", secret)}
	return e
}

func pairs(parameters []*allowlistv1.Parameter) string {
	var all []string
	for _, p := range parameters {
		all = append(all, p.GetName()+"="+p.GetValue())
	}
	return strings.Join(all, "&")
}

func TestSendersGetCredentialsAndNobodyElse(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const canary = `Bearer "sesame-canary"`
	key, secret := k.secret(t, "key"), k.credential(t, "token", canary, partner)
	k.active(t, "orders", equipped(key, secret))

	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{"amount": 1.50, "auth":{}}`)})
	if got, want := pairs(sent.GetHeaders()), "X-Partner=acme&Authorization="+canary; got != want {
		t.Errorf("headers = %s, want %s", got, want)
	}
	if got, want := pairs(sent.GetQueryParameters()), "api_key="+canary+"&v=2"; got != want {
		t.Errorf("query parameters = %s, want %s", got, want)
	}
	if strings.Contains(string(sent.GetBody()), "sesame") {
		t.Error("the encrypted body shows the credential")
	}
	opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Kind: request, Body: sent.GetBody()})
	must(t, err)
	quoted, err := json.Marshal(canary)
	must(t, err)
	if want := `{"amount": 1.50, "auth":{"apiKey":` + string(quoted) + `}}`; string(opened.GetBody()) != want {
		t.Errorf("the partner opens %s, want %s", opened.GetBody(), want)
	}
	answer := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Kind: response, Body: []byte("no JSON")})
	if got := pairs(answer.GetHeaders()) + " " + pairs(answer.GetQueryParameters()); got != "X-Partner=acme v=2" {
		t.Errorf("a response carries %s, want no credentials", got)
	}

	for _, as := range []client{k.owner, k.admin, k.member} {
		want := secret
		if as == k.member {
			want = "set"
		}
		list, err := as.ListEndpoints(t.Context(), &allowlistv1.ListEndpointsRequest{Parent: workspace})
		must(t, err)
		for _, e := range append(list.GetEndpoints(), as.get(t, "orders")) {
			shown := []string{e.GetHeaders()[1].GetSecret().GetName(), e.GetQueryParameters()[0].GetSecret().GetName(), e.GetBodyValues()[0].GetSecret().GetName()}
			if !slices.Equal(shown, []string{want, want, want}) {
				t.Errorf("%s sees %v, want %s", as.subject, shown, want)
			}
			servertest.MustNotHold(t, "what people see", prototext.Format(e), "sesame-canary")
		}
	}
	change := k.owner.history(t, nameOf("orders"))[2]
	if !slices.Equal(change.GetSecrets(), []string{key, secret}) {
		t.Errorf("the log names %v, want both secrets", change.GetSecrets())
	}
	servertest.MustNotHold(t, "the log of changes", prototext.Format(change), "sesame-canary")
	servertest.MustNotHold(t, "the log", k.env.Log.String(), "sesame-canary")
	k.server.Stop()
	stored, err := os.ReadFile(k.config.Store)
	must(t, err)
	if strings.Contains(string(stored), "sesame") {
		t.Error("the store of the allowlist holds the credential")
	}
}

func TestASignatureReplacesACredentialOfItsName(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	e := draft()
	e.ContentType = "application/json"
	e.Headers = []*allowlistv1.Parameter{referring("x-signature", k.credential(t, "token", "sesame", partner))}
	e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.pin", k.credential(t, "pin", "0042", partner))}
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{Signing: &allowlistv1.Signing{
		Scheme:  &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:    []*allowlistv1.SecretRef{{Name: k.secret(t, "mac")}},
		Headers: map[string]string{"X-Signature": "${signature}"},
	}}}
	k.active(t, "orders", e)
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte(`{}`)})
	if h := sent.GetHeaders(); len(h) != 1 || h[0].GetName() != "X-Signature" || h[0].GetValue() == "sesame" {
		t.Errorf("headers = %v, want the signature alone", h)
	}
	// Without a cipher the body with its value is what goes out.
	if got := string(sent.GetBody()); got != `{"pin":"0042"}` {
		t.Errorf("body = %s", got)
	}
}

func TestCredentialsThatCannotBeSentAreRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, tt := range []struct {
		name, text, body, reason, path string
		code                           codes.Code
		change                         func(e *allowlistv1.Endpoint, secret string)
	}{
		{
			"a line break in a header", "sesame-canary\r\nX-Admin: yes", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) { e.Headers = []*allowlistv1.Parameter{referring("a", s)} },
		},
		{
			"a line end in a query parameter", "sesame-canary\n", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) {
				e.QueryParameters = []*allowlistv1.Parameter{referring("a", s)}
			},
		},
		{
			"letters beyond ASCII in a header", "sesame-canary-ü", `{}`, "KEY_NOT_USABLE", "", codes.FailedPrecondition,
			func(e *allowlistv1.Endpoint, s string) { e.Headers = []*allowlistv1.Parameter{referring("a", s)} },
		},
		{
			"a body that is no JSON", "sesame-canary", `amount=1`, "BODY_NOT_ENCRYPTABLE", "", codes.InvalidArgument,
			func(e *allowlistv1.Endpoint, s string) { e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.a", s)} },
		},
		{
			"a body without the object", "sesame-canary", `{}`, "BODY_NOT_ENCRYPTABLE", "$.auth.key", codes.InvalidArgument,
			func(e *allowlistv1.Endpoint, s string) {
				e.BodyValues = []*allowlistv1.BodyValue{bodyValue("$.auth.key", s)}
			},
		},
	} {
		id := strings.ReplaceAll(tt.name, " ", "-")
		e := draft(k.secretOnce(t))
		tt.change(e, k.credential(t, id, tt.text, partner))
		k.active(t, id, e)
		_, err := k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf(id), Body: []byte(tt.body)})
		wantError(t, tt.name, err, tt.code, tt.reason)
		if got := servertest.Metadata(err)["path"]; got != tt.path {
			t.Errorf("%s: metadata path = %q, want %q", tt.name, got, tt.path)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err)), "sesame-canary")
	}
	servertest.MustNotHold(t, "the log", k.env.Log.String(), "sesame-canary")
}

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
				"endpoint.headers[1].value", "endpoint.query_parameters[0].secret.name", "endpoint.body_values[0].secret.name",
				"endpoint.body_values[0].path",
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
	secret := k.credential(t, "token", "sesame", partner, "new.example", "2001:db8::1")
	k.owner.create(t, "orders", equipped(k.secret(t, "key"), secret))
	bound := func(host string) *vaultv1.Binding {
		t.Helper()
		k.settle(t, secret, 1)
		b := k.held(t, secret)[0]
		if b.GetUsage() != vaultv1.Usage_USAGE_CREDENTIAL || b.GetHost() != host || b.GetReferrer() != nameOf("orders") {
			t.Errorf("the binding is %v, want one for %s", b, host)
		}
		return b
	}
	first := bound(partner)
	for _, keep := range []*allowlistv1.Endpoint{
		{Url: "https://api.partner.example:8443/v2/*"},
		{Description: "new"},
		{Headers: []*allowlistv1.Parameter{referring("X-Api-Key", secret)}},
	} {
		keep.Name = nameOf("orders")
		_, err := k.owner.update(t, keep)
		must(t, err)
	}
	if again := bound(partner); again.GetOperationId() != first.GetOperationId() {
		t.Error("a change that needs no other binding makes one")
	}
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: "https://third.example/"})
	wantError(t, "a host that is not allowed", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	if got := k.owner.get(t, "orders").GetUrl(); got != "https://api.partner.example:8443/v2/*" {
		t.Errorf("the refused move leaves the URL %s", got)
	}
	for url, host := range map[string]string{"https://new.example/": "new.example", "https://[2001:DB8::1]:444/": "2001:db8::1"} {
		_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: url})
		must(t, err)
		bound(host)
	}
	// The host that the endpoint has left may go, the one that it is on may not.
	wantError(t, "removing a host in use", k.allowHosts(t, secret, partner), codes.FailedPrecondition, "SECRET_IN_USE")
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Url: "https://new.example/"})
	must(t, err)
	bound("new.example")
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
		Name: secret, Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: "other.example", Referrer: nameOf("ghost"), OperationId: "ghost",
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
