package allowlisttest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// NameOf is the name of an endpoint.
func NameOf(id string) string { return Workspace + "/endpoints/" + id }

// Create creates an endpoint and fails the test on an error.
func (c Client) Create(t testing.TB, id string, e *allowlistv1.Endpoint) *allowlistv1.Endpoint {
	t.Helper()
	resp, err := c.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: Workspace, EndpointId: id, Endpoint: e})
	if err != nil {
		t.Fatalf("CreateEndpoint(%s) = %v %v", id, err, servertest.Violations(err))
	}
	return resp.GetEndpoint()
}

// Get reads an endpoint and fails the test on an error.
func (c Client) Get(t testing.TB, id string) *allowlistv1.Endpoint {
	t.Helper()
	resp, err := c.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: NameOf(id)})
	Must(t, err)
	return resp.GetEndpoint()
}

// Update changes the fields of an endpoint that paths list.
func (c Client) Update(t testing.TB, e *allowlistv1.Endpoint, paths ...string) (*allowlistv1.Endpoint, error) {
	t.Helper()
	resp, err := c.UpdateEndpoint(t.Context(), &allowlistv1.UpdateEndpointRequest{
		Endpoint: e, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
	})
	return resp.GetEndpoint(), err
}

// Delete deletes an endpoint and fails the test on an error.
func (c Client) Delete(t testing.TB, id string) {
	t.Helper()
	_, err := c.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: NameOf(id)})
	Must(t, err)
}

// History returns all changes of an endpoint, newest first.
func (c Client) History(t testing.TB, name string) []*allowlistv1.EndpointChange {
	t.Helper()
	var all []*allowlistv1.EndpointChange
	req := &allowlistv1.ListEndpointHistoryRequest{Name: name, PageSize: 3}
	for {
		resp, err := c.ListEndpointHistory(t.Context(), req)
		Must(t, err)
		all = append(all, resp.GetChanges()...)
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// Refusal creates an endpoint, expects a refusal, and returns its fields and the error.
func (k *Kit) Refusal(t testing.TB, e *allowlistv1.Endpoint) (fields []string, err error) {
	t.Helper()
	_, err = k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: Workspace, EndpointId: "bad", Endpoint: e})
	for _, v := range servertest.Violations(err) {
		fields = append(fields, v.Field)
	}
	return fields, err
}

// Configured creates an endpoint with a configuration in proto text format.
func (k *Kit) Configured(t testing.TB, id, text string) string {
	t.Helper()
	e := Draft()
	e.Encryption = EncryptionOf(t, text)
	k.Owner.Create(t, id, e)
	return NameOf(id)
}

// Activate approves and activates an endpoint.
func (k *Kit) Activate(t testing.TB, id string) {
	t.Helper()
	_, err := k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: NameOf(id)})
	Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: NameOf(id)})
	Must(t, err)
}

// Activate activates an endpoint and returns the error.
func (c Client) Activate(t testing.TB, id string) error {
	t.Helper()
	_, err := c.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: NameOf(id)})
	return err
}

// Active creates, approves, and activates an endpoint.
func (k *Kit) Active(t testing.TB, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	k.Owner.Create(t, id, e)
	k.Activate(t, id)
}

// Live tests an endpoint with its own keys.
func (k *Kit) Live(t testing.TB, name string) error {
	t.Helper()
	_, err := k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{
		Name: name, Body: []byte(Sample), LiveKeys: true, Reason: "to see",
	})
	return err
}

// MustTest tests an encryption and fails the test on an error.
func (c Client) MustTest(t testing.TB, req *allowlistv1.TestEncryptionRequest) *allowlistv1.TestEncryptionResponse {
	t.Helper()
	resp, err := c.TestEncryption(t.Context(), req)
	Must(t, err)
	return resp
}

// Diagnosed returns the differences that a diagnosis reports, such as `request.cipher.padding:
// PKCS7 -> ZERO`.
func (k *Kit) Diagnosed(t testing.TB, req *allowlistv1.DiagnoseSampleRequest) (found bool, differences string, tried uint32) {
	t.Helper()
	req.Reason = "it does not open"
	resp, err := k.Owner.DiagnoseSample(t.Context(), req)
	Must(t, err)
	var texts []string
	for _, d := range resp.GetDifferences() {
		texts = append(texts, fmt.Sprintf("%s: %s -> %s", d.GetField(), d.GetConfigured(), d.GetWorks()))
	}
	return resp.GetFound(), strings.Join(texts, "; "), resp.GetTried()
}

// Verify requests a verification, not too soon after the last one.
func (k *Kit) Verify(t testing.TB, id string, method allowlistv1.Verification_Method) (*allowlistv1.Endpoint, error) {
	t.Helper()
	k.Clock.Advance(2 * time.Second)
	resp, err := k.Owner.VerifyEndpoint(t.Context(), &allowlistv1.VerifyEndpointRequest{
		Name: NameOf(id), Method: method, Reason: "proof",
	})
	return resp.GetEndpoint(), err
}
