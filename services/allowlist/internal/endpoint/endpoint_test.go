package endpoint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestTheLifecycleOfAnEndpoint(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	want := &allowlistv1.Endpoint{
		DisplayName: "Orders", Description: "Where orders go", Labels: map[string]string{"env": "prod"},
		Methods: []string{"POST", "PUT"}, Url: "HTTPS://API.Partner.example.:443/v1/./orders", ContentType: "application/json",
		Headers:         []*allowlistv1.Parameter{allowlisttest.Header("X-Partner", "acme")},
		QueryParameters: []*allowlistv1.Parameter{allowlisttest.Header("version", "2")},
		Encryption:      allowlisttest.Encrypted(secret),
		Uid:             "mine", State: allowlistv1.Endpoint_STATE_ACTIVE, // output-only: ignored
	}
	created := k.Owner.Create(t, "orders", want)
	want.Name, want.Url = allowlisttest.NameOf("orders"), "https://api.partner.example/v1/orders"
	want.State, want.Etag, want.Uid = allowlistv1.Endpoint_STATE_PENDING, created.GetEtag(), created.GetUid()
	if diff := cmp.Diff(want, created, protocmp.Transform(), protocmp.IgnoreFields(want, "create_time", "update_time")); diff != "" {
		t.Errorf("CreateEndpoint differs (-want +got):\n%s", diff)
	}
	if len(created.GetUid()) != 26 || !created.GetCreateTime().IsValid() || !created.GetUpdateTime().IsValid() {
		t.Errorf("CreateEndpoint = uid %q, times %v, %v", created.GetUid(), created.GetCreateTime(), created.GetUpdateTime())
	}
	if diff := cmp.Diff(created, k.Owner.Get(t, "orders"), protocmp.Transform(), protocmp.IgnoreFields(created, "challenge", "key_purposes")); diff != "" {
		t.Errorf("GetEndpoint differs from what was created:\n%s", diff)
	}
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft()})
	allowlisttest.WantError(t, "CreateEndpoint again", err, codes.AlreadyExists, "ENDPOINT_EXISTS")

	k.Owner.Delete(t, "orders")
	_, err = k.Owner.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "GetEndpoint after deletion", err, codes.NotFound, "ENDPOINT_NOT_FOUND")
	again := k.Owner.Create(t, "orders", allowlisttest.Draft())
	if again.GetUid() == created.GetUid() || again.GetEtag() == created.GetEtag() {
		t.Errorf("the second incarnation has uid %q and etag %q", again.GetUid(), again.GetEtag())
	}
	actions := []allowlistv1.EndpointChange_Action{}
	for _, change := range k.Owner.History(t, allowlisttest.NameOf("orders")) {
		actions = append(actions, change.GetAction())
	}
	if want := []allowlistv1.EndpointChange_Action{1, 3, 1}; !slices.Equal(actions, want) {
		t.Errorf("history = %v, want %v", actions, want)
	}
}

func TestStatesFollowTheirRules(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft())
	name := allowlisttest.NameOf("orders")
	activate := func() (*allowlistv1.ActivateEndpointResponse, error) {
		return k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: name, Reason: "go"})
	}
	_, err := activate()
	allowlisttest.WantError(t, "ActivateEndpoint before approval", err, codes.FailedPrecondition, "ENDPOINT_NOT_VERIFIED")
	before := k.Owner.Get(t, "orders")
	off, err := k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	if off.GetEndpoint().GetEtag() != before.GetEtag() {
		t.Errorf("DeactivateEndpoint of an inactive endpoint = %v, want no change", off.GetEndpoint())
	}
	approved, err := k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	if v := approved.GetEndpoint().GetVerification(); v.GetMethod() != allowlistv1.Verification_METHOD_MANUAL || v.GetActor() != k.Admin.Subject || !v.GetTime().IsValid() {
		t.Errorf("ApproveEndpoint = verification %v", v)
	}
	if got := approved.GetEndpoint().GetState(); got != allowlistv1.Endpoint_STATE_PENDING {
		t.Errorf("ApproveEndpoint = %v, want PENDING still", got)
	}
	again, err := k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	if diff := cmp.Diff(approved.GetEndpoint(), again.GetEndpoint(), protocmp.Transform()); diff != "" {
		t.Errorf("approving again changes it:\n%s", diff)
	}
	on, err := activate()
	allowlisttest.Must(t, err)
	if got := on.GetEndpoint(); got.GetState() != allowlistv1.Endpoint_STATE_ACTIVE || got.GetStateReason() != "" {
		t.Errorf("ActivateEndpoint = %v %q", got.GetState(), got.GetStateReason())
	}
	still, err := activate()
	allowlisttest.Must(t, err)
	if still.GetEndpoint().GetEtag() != on.GetEndpoint().GetEtag() {
		t.Error("activating an active endpoint changes it")
	}
	_, err = k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name})
	allowlisttest.Must(t, err)
	_, err = activate()
	allowlisttest.Must(t, err)
	same, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Url: "https://api.partner.example:443/v1"}, "url")
	allowlisttest.Must(t, err)
	if same.GetState() != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("the same URL in another spelling makes it %v", same.GetState())
	}
	moved, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Url: "https://api.partner.example/v2"}, "url")
	allowlisttest.Must(t, err)
	if moved.GetState() != allowlistv1.Endpoint_STATE_PENDING || moved.GetVerification().GetMethod() != 0 || moved.GetStateReason() == "" {
		t.Errorf("a new URL = %v, verification %v, reason %q", moved.GetState(), moved.GetVerification(), moved.GetStateReason())
	}
}

func TestUpdateChangesWhatTheMaskNames(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	full := func() *allowlistv1.Endpoint {
		return &allowlistv1.Endpoint{
			Name: allowlisttest.NameOf("orders"), DisplayName: "new", Description: "new", Labels: map[string]string{"a": "b"},
			Methods: []string{"GET"}, ContentType: "text/plain", Encryption: allowlisttest.Encrypted(secret, secret),
			Headers: []*allowlistv1.Parameter{allowlisttest.Header("a", "b")}, QueryParameters: []*allowlistv1.Parameter{allowlisttest.Header("c", "d")},
		}
	}
	for _, tt := range []struct {
		name  string
		paths []string
		want  []string // changed fields on the log; nil: refused
	}{
		{"one field", []string{"display_name"}, []string{"display_name"}},
		{"name and etag, which only identify", []string{"name", "etag", "description"}, []string{"description"}},
		{"a label", []string{"labels.a"}, []string{"labels"}},
		{"a leaf of the encryption", []string{"encryption.request.cipher.algorithm"}, []string{"encryption"}},
		{"the other fields", nil, []string{"methods", "headers", "query_parameters", "content_type"}},
		{"an output-only field", []string{"state"}, nil},
		{"everything", []string{"*"}, nil},
		{"a field below another", []string{"methods.x"}, nil},
		{"the request's own path", []string{"endpoint.description"}, nil},
	} {
		_, err := k.Owner.Update(t, full(), tt.paths...)
		if tt.want == nil {
			allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, "INVALID_FIELD")
			continue
		}
		allowlisttest.Must(t, err)
		if got := k.Owner.History(t, allowlisttest.NameOf("orders"))[0].GetChangedFields(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: changed fields = %v, want %v", tt.name, got, tt.want)
		}
	}
	before := k.Owner.Get(t, "orders").GetEtag()
	after, err := k.Owner.Update(t, full())
	allowlisttest.Must(t, err)
	if after.GetEtag() != before {
		t.Errorf("an update that changes nothing moves the etag from %s to %s", before, after.GetEtag())
	}
	for _, path := range []string{"url", "methods"} {
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders")}, path)
		allowlisttest.WantError(t, "an update that empties "+path, err, codes.InvalidArgument, "INVALID_FIELD")
	}
}

func TestEtagsGuardEveryChange(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	stale := k.Owner.Create(t, "orders", allowlisttest.Draft()).GetEtag()
	k.Activate(t, "orders")
	current := k.Owner.Get(t, "orders").GetEtag()
	name := allowlisttest.NameOf("orders")
	for what, call := range map[string]func(etag string) error{
		"UpdateEndpoint": func(etag string) error {
			_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Etag: etag, Description: "new"})
			return err
		},
		"DeleteEndpoint": func(etag string) error {
			_, err := k.Owner.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: name, Etag: etag})
			return err
		},
		"ApproveEndpoint": func(etag string) error {
			_, err := k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: name, Etag: etag})
			return err
		},
		"ActivateEndpoint": func(etag string) error {
			_, err := k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: name, Etag: etag})
			return err
		},
		"DeactivateEndpoint": func(etag string) error {
			_, err := k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: name, Etag: etag})
			return err
		},
	} {
		err := call(stale)
		allowlisttest.WantError(t, what+" with a stale etag", err, codes.Aborted, "ETAG_MISMATCH")
		if got := servertest.Metadata(err)["etag"]; got != current {
			t.Errorf("%s: metadata etag = %q, want %s", what, got, current)
		}
	}
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: name, Etag: current, Description: "new"})
	allowlisttest.Must(t, err)
}

func TestRequestIDsMakeRetriesSafe(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	create := &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: allowlisttest.Draft(secret), RequestId: "r1"}
	first, err := k.Owner.CreateEndpoint(t.Context(), create)
	allowlisttest.Must(t, err)
	later, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Description: "later"})
	allowlisttest.Must(t, err)
	again, err := k.Owner.CreateEndpoint(t.Context(), create)
	allowlisttest.Must(t, err)
	if got := again.GetEndpoint(); got.GetUid() != first.GetEndpoint().GetUid() || got.GetDescription() != "later" {
		t.Errorf("the replay answers %v, want the current state of the same incarnation", got)
	}
	create.Endpoint.Description = "other"
	_, err = k.Owner.CreateEndpoint(t.Context(), create)
	allowlisttest.WantError(t, "the same id for another request", err, codes.InvalidArgument, "REQUEST_ID_REUSED")
	_, err = k.Admin.CreateEndpoint(t.Context(), create)
	allowlisttest.WantError(t, "the same id of another caller", err, codes.AlreadyExists, "ENDPOINT_EXISTS")

	update := &allowlistv1.UpdateEndpointRequest{
		Endpoint: &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Etag: later.GetEtag(), DisplayName: "x"}, RequestId: "r1",
	}
	var etags []string
	for range 2 { // the etag is stale the second time, but it is the same request
		resp, err := k.Owner.UpdateEndpoint(t.Context(), update)
		allowlisttest.Must(t, err)
		etags = append(etags, resp.GetEndpoint().GetEtag())
	}
	if etags[0] != etags[1] || etags[0] == later.GetEtag() {
		t.Errorf("UpdateEndpoint twice = etags %v after %s, want one change", etags, later.GetEtag())
	}
	remove := &allowlistv1.DeleteEndpointRequest{Name: allowlisttest.NameOf("orders"), RequestId: "r1"}
	for range 2 {
		_, err := k.Owner.DeleteEndpoint(t.Context(), remove)
		allowlisttest.Must(t, err)
	}
	k.Owner.Create(t, "orders", allowlisttest.Draft())
	_, err = k.Owner.UpdateEndpoint(t.Context(), update)
	allowlisttest.WantError(t, "a replay for an earlier incarnation", err, codes.NotFound, "ENDPOINT_NOT_FOUND")
}

func TestMalformedEndpointsAreRefusedWithAllViolations(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	foreign := k.SecretIn(t, "workspaces/other", "key", 1)
	for _, tt := range []struct {
		name   string
		change func(*allowlistv1.Endpoint)
		reason string
		fields []string
	}{
		{"no URL or methods", func(e *allowlistv1.Endpoint) { e.Url, e.Methods = "", nil }, "INVALID_FIELD", []string{"endpoint.methods", "endpoint.url"}},
		{"a URL with plain HTTP", func(e *allowlistv1.Endpoint) { e.Url = "http://a.example" }, "INVALID_FIELD", []string{"endpoint.url"}},
		{"a content type with a line break", func(e *allowlistv1.Endpoint) { e.ContentType = "a\r\nb: c" }, "INVALID_FIELD", []string{"endpoint.content_type"}},
		{
			"credentials in parameters, and a bad URL", func(e *allowlistv1.Endpoint) {
				e.Url = "x"
				e.Headers = []*allowlistv1.Parameter{allowlisttest.Header("a", "b"), allowlisttest.Header("X-Api-Key", "k")}
				e.QueryParameters = []*allowlistv1.Parameter{allowlisttest.Header("access_token", "k")}
			},
			"DIRECT_KEY_NOT_SUPPORTED",
			[]string{"endpoint.url", "endpoint.headers[1].value", "endpoint.query_parameters[0].value"},
		},
		{
			"a key in the place of a reference", func(e *allowlistv1.Endpoint) { e.Encryption = allowlisttest.Encrypted("c2VjcmV0IGtleQ==") },
			"DIRECT_KEY_NOT_SUPPORTED",
			[]string{"endpoint.encryption.request.cipher.shared_key.keys[0].name"},
		},
		{
			"a secret of another workspace", func(e *allowlistv1.Endpoint) { e.Encryption = allowlisttest.Encrypted(foreign) },
			"INVALID_FIELD",
			[]string{"endpoint.encryption.request.cipher.shared_key.keys[0].name"},
		},
	} {
		e := allowlisttest.Draft()
		tt.change(e)
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "bad", Endpoint: e})
		allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, tt.reason)
		var fields []string
		for _, v := range servertest.Violations(err) {
			fields = append(fields, v.Field)
		}
		if !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: fields = %v, want %v", tt.name, fields, tt.fields)
		}
	}
	e := allowlisttest.Draft(k.Secret(t, "key"))
	e.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_AES_256_CBC
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "bad", Endpoint: e})
	allowlisttest.WantError(t, "CBC without an acknowledgement", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if got := servertest.Metadata(err)["flags"]; got != "UNAUTHENTICATED_CBC" {
		t.Errorf("metadata flags = %q", got)
	}
}

func TestMalformedNamesAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, id := range []string{"", "-", ".a", "a/b", "a b", strings.Repeat("a", 129), "ä"} {
		_, err := k.Admin.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: id, Endpoint: allowlisttest.Draft()})
		allowlisttest.WantError(t, fmt.Sprintf("CreateEndpoint(%q)", id), err, codes.InvalidArgument, "INVALID_FIELD")
		_, err = k.Admin.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: allowlisttest.NameOf(id)})
		if code := status.Code(err); code != codes.InvalidArgument {
			t.Errorf("GetEndpoint(%q) = %v, want InvalidArgument", id, err)
		}
	}
}

func TestAnEtagOfAnEarlierIncarnationDoesNotMatch(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	first := k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	_, err := k.Owner.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.Must(t, err)
	second := allowlisttest.Draft(k.Secret(t, "other"))
	k.Owner.Create(t, "orders", second)
	_, err = k.Owner.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: allowlisttest.NameOf("orders"), Etag: first.GetEtag()})
	allowlisttest.WantError(t, "DeleteEndpoint with the etag of an earlier incarnation", err, codes.Aborted, "ETAG_MISMATCH")
}

func TestHeadersThatNameTheReceiverAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, name := range []string{"Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Content-Type"} {
		e := allowlisttest.Draft(k.Secret(t, "key-"+name))
		e.Headers = []*allowlistv1.Parameter{{Name: name, Source: &allowlistv1.Parameter_Value{Value: "elsewhere.example"}}}
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: e})
		allowlisttest.WantError(t, "CreateEndpoint with a header "+name, err, codes.InvalidArgument, "INVALID_FIELD")
	}
}
