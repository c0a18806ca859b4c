package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// loginName is the endpoint whose partner issues session keys.
const loginName = vaulttest.Workspace + "/endpoints/login"

const (
	notAllowed   = commonv1.ErrorReason_ERROR_REASON_ISSUER_NOT_ALLOWED
	issuedBefore = vaultv1.ErrorReason_ERROR_REASON_ISSUED_BEFORE
	notBound     = vaultv1.ErrorReason_ERROR_REASON_NOT_BOUND
)

// issuing returns a request for a binding to issue the versions of a secret.
func issuing(id, endpoint, operation string) *vaultv1.BindSecretRequest {
	return &vaultv1.BindSecretRequest{
		Name: vaulttest.NameOf(id), Usage: vaultv1.Usage_USAGE_KEY, Referrer: vaulttest.Workspace + "/endpoints/" + endpoint, OperationId: operation, Issue: true,
	}
}

// issued returns a request that stores a value which a partner issued.
func issued(t testing.TB, k *vaulttest.Kit, id, value, requestID string) *vaultv1.IssueSecretVersionRequest {
	t.Helper()
	sealed := vaulttest.SealTo(t, k.Owner.NewestKey(t), value, vaulttest.Place(id, requestID)).GetSealed()
	return &vaultv1.IssueSecretVersionRequest{Name: vaulttest.NameOf(id), Referrer: loginName, Value: sealed, RequestId: requestID}
}

// issuable returns a vault with the KEY `session`, which the resolver is bound to issue.
func issuable(t testing.TB) *vaulttest.Kit {
	t.Helper()
	k := vaulttest.New(t)
	k.Owner.Create(t, "session", &vaultv1.Secret{IssuedBy: loginName, Labels: map[string]string{"a": "b"}, Description: "the key of a session"})
	if _, err := k.Resolver.BindSecret(t.Context(), issuing("session", "login", "op")); err != nil {
		t.Fatalf("BindSecret = %v", err)
	}
	return k
}

func TestAnIssuedValueBecomesTheCurrentVersion(t *testing.T) {
	t.Parallel()
	k := issuable(t)
	before := k.Owner.Get(t, "session")
	uid := k.Resolver.Bind(t, "session", "invoices", "op2").GetUid()
	const first, second = "the first session key", "the second session key"
	for i, step := range []struct {
		value string
		want  uint32
	}{{first, 2}, {first, 2}, {second, 3}} {
		res, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "session", step.value, fmt.Sprintf("r%d", i)))
		if err != nil || res.GetVersion() != step.want || res.GetPosition() == nil {
			t.Fatalf("issuing %q = %v, %v, want version %d", step.value, res, err, step.want)
		}
		if got := k.Resolver.Resolve(t, "session", uid, 0); got != step.value {
			t.Errorf("the current version is %q, want %q", got, step.value)
		}
	}
	again, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "session", first, "r1"))
	if err != nil || again.GetVersion() != 3 {
		t.Errorf("a repeated request = %v, %v, want the current version", again, err)
	}
	_, err = k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "session", first, "r9"))
	vaulttest.WantError(t, "an old answer", err, codes.FailedPrecondition, issuedBefore)

	after := k.Owner.Get(t, "session")
	if after.GetCurrentVersion() != 3 || after.GetDescription() != "the key of a session" || after.GetLabels()["a"] != "b" || after.GetUid() != before.GetUid() || after.GetIssuedBy() != loginName {
		t.Errorf("the secret is %v", after)
	}
	history := k.Owner.History(t, "session")
	entry := history[0]
	if entry.GetAction() != vaultv1.SecretChange_ACTION_UPDATED || entry.GetVersion() != 3 || entry.GetActor().GetSubject() != k.Resolver.Subject ||
		!slices.Equal(entry.GetReferrers(), []string{loginName}) || !slices.Equal(entry.GetChangedFields(), []string{"value", "current_version"}) {
		t.Errorf("the log says %v", entry)
	}
	if created := history[len(history)-1]; !slices.Contains(created.GetChangedFields(), "issued_by") || !slices.Equal(created.GetReferrers(), []string{loginName}) {
		t.Errorf("the log says about the creation: %v", created)
	}
}

func TestOnlyTheBoundIssuerAddsVersions(t *testing.T) {
	t.Parallel()
	k := issuable(t)
	k.Owner.Create(t, "other", &vaultv1.Secret{})
	k.Owner.Create(t, "used", &vaultv1.Secret{IssuedBy: loginName, Value: vaulttest.Text("another placeholder")})
	k.Resolver.Bind(t, "used", "login", "op")
	k.Owner.Create(t, "unbound", &vaultv1.Secret{IssuedBy: loginName, Value: vaulttest.Text("a third placeholder")})
	for what, tt := range map[string]struct {
		id, referrer string
		code         codes.Code
		reason       fmt.Stringer
	}{
		"another endpoint":         {"session", vaulttest.Workspace + "/endpoints/other", codes.FailedPrecondition, notAllowed},
		"another workspace's":      {"session", "workspaces/other/endpoints/login", codes.FailedPrecondition, notAllowed},
		"a prefix of the endpoint": {"session", loginName[:len(loginName)-1], codes.FailedPrecondition, notAllowed},
		"a secret of people":       {"other", loginName, codes.PermissionDenied, notBound},
		"a binding for use only":   {"used", loginName, codes.PermissionDenied, notBound},
		"no binding":               {"unbound", loginName, codes.PermissionDenied, notBound},
		"no secret":                {"absent", loginName, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND},
	} {
		// The value is refused, too. A caller that may not issue does not learn that.
		req := issued(t, k, tt.id, "x", "r")
		req.Referrer = tt.referrer
		_, err := k.Resolver.IssueSecretVersion(t.Context(), req)
		vaulttest.WantError(t, what, err, tt.code, tt.reason)
	}
	for what, req := range map[string]*vaultv1.BindSecretRequest{
		"a binding for another endpoint": issuing("session", "other", "op3"),
		"a secret that is not issued":    issuing("other", "login", "op3"),
	} {
		_, err := k.Resolver.BindSecret(t.Context(), req)
		vaulttest.WantError(t, what, err, codes.FailedPrecondition, notAllowed)
	}
	for what, secret := range map[string]*vaultv1.Secret{
		"a PARAMETER":                {Usage: vaultv1.Usage_USAGE_PARAMETER, IssuedBy: loginName},
		"another workspace's":        {IssuedBy: "workspaces/other/endpoints/login"},
		"a resource of another kind": {IssuedBy: vaulttest.Workspace + "/secrets/login"},
	} {
		secret.Value = vaulttest.Text("a placeholder of nothing")
		_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "wrong", Secret: secret})
		vaulttest.WantField(t, what, err, "secret.issued_by")
	}
	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: vaulttest.NameOf("other"), IssuedBy: loginName, Description: "e"},
	})
	vaulttest.WantField(t, "an update of issued_by", err, "secret.issued_by")
	read := k.Owner.Get(t, "session")
	read.Description = "what was read, with another description"
	if _, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: read, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"description", "issued_by"}},
	}); err != nil {
		t.Errorf("an update with the issued_by of the secret = %v", err)
	}
}

func TestARefusedSecretTakesNoIssuedVersion(t *testing.T) {
	t.Parallel()
	k := issuable(t)
	issue := func(requestID string) error {
		_, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "session", "a session key of "+requestID, requestID))
		return err
	}
	if _, err := k.Owner.Change(t.Context(), vaulttest.Disable, vaulttest.VersionCall{Name: vaulttest.VersionOf("session", 1)}); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "a disabled version", issue("r1"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	if _, err := k.Owner.Change(t.Context(), vaulttest.Enable, vaulttest.VersionCall{Name: vaulttest.VersionOf("session", 1)}); err != nil {
		t.Fatal(err)
	}
	k.Resolver.Unbind(t, "session", "op")
	vaulttest.WantError(t, "a released binding", issue("r2"), codes.PermissionDenied, notBound)
	if _, err := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("session")}); err != nil {
		t.Fatal(err)
	}
	vaulttest.WantError(t, "a deleted secret", issue("r3"), codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
	k.Owner.Create(t, "session", &vaultv1.Secret{IssuedBy: loginName, Ttl: durationpb.New(time.Hour)})
	vaulttest.WantError(t, "another secret of the name", issue("r4"), codes.PermissionDenied, notBound)
}

func TestIssuedValuesAreVetted(t *testing.T) {
	t.Parallel()
	k := issuable(t)
	k.Owner.Create(t, "there", &vaultv1.Secret{Value: vaulttest.Text("a key of another purpose")})
	for id, chain := range map[string]string{"session": vaulttest.CBC, "there": vaulttest.GCM} {
		b, err := k.Resolver.BindFor(t, id, "invoices", "op2", "partner.example", chain)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Resolver.ResolveFor(t, id, b.GetUid(), true, chain); err != nil {
			t.Fatal(err)
		}
	}
	once := issued(t, k, "session", "a session key of six hours", "r1")
	if _, err := k.Resolver.IssueSecretVersion(t.Context(), once); err != nil {
		t.Fatal(err)
	}
	twice := issued(t, k, "session", "a session key of six hours", "r2")
	twice.Value = once.GetValue()
	elsewhere := issued(t, k, "there", "a session key of six hours", "r3")
	elsewhere.Name = vaulttest.NameOf("session")
	for what, tt := range map[string]struct {
		req    *vaultv1.IssueSecretVersionRequest
		code   codes.Code
		reason fmt.Stringer
	}{
		"too long":                   {issued(t, k, "session", strings.Repeat("k", 4097), "r4"), codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD},
		"not UTF-8":                  {issued(t, k, "session", "a session key \xff", "r5"), codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD},
		"weak":                       {issued(t, k, "session", "short", "r6"), codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_WEAK_KEY},
		"in an unusable form":        {issued(t, k, "session", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "r7"), codes.InvalidArgument, vaultv1.ErrorReason_ERROR_REASON_KEY_FORM_NOT_USABLE},
		"a key of another purpose":   {issued(t, k, "session", "a key of another purpose", "r8"), codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_VALUE_IN_USE},
		"the description":            {issued(t, k, "session", "the key of a session", "r9"), codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD},
		"sealed for another request": {twice, codes.InvalidArgument, vaulttest.Refused},
		"sealed for another secret":  {elsewhere, codes.InvalidArgument, vaulttest.Refused},
	} {
		_, err := k.Resolver.IssueSecretVersion(t.Context(), tt.req)
		vaulttest.WantError(t, what, err, tt.code, tt.reason)
	}
	if got := k.Owner.Get(t, "session").GetLatestVersion(); got != 2 {
		t.Errorf("the latest version is %d, want 2", got)
	}
}

func TestIssuedVersionsAreLimitedInAnHour(t *testing.T) {
	t.Parallel()
	k := issuable(t)
	for i := range 59 { // the first version is the placeholder
		if _, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "session", fmt.Sprintf("the session key number %d", i), fmt.Sprintf("r%d", i))); err != nil {
			t.Fatalf("version %d = %v", i, err)
		}
	}
	k.Running.Stop()
	k.Start(t)
	_, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "session", "one session key too many", "last"))
	vaulttest.WantError(t, "after 60 versions", err, codes.ResourceExhausted, commonv1.ErrorReason_ERROR_REASON_RATE_LIMITED)
	if !servertest.Retryable(err) {
		t.Errorf("the refusal %v does not say when to try again", err)
	}
}

func TestABindingToIssueClaimsNoPurpose(t *testing.T) {
	t.Parallel()
	k := issuable(t)
	if _, err := k.Resolver.BindFor(t, "session", "invoices", "op2", "partner.example", vaulttest.GCM); err != nil {
		t.Fatalf("binding another endpoint = %v", err)
	}
	if got := k.Owner.Purpose(t, "session"); !slices.Equal(got.GetChains(), []string{vaulttest.GCM}) || got.GetState() != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED {
		t.Errorf("the purpose is %v", got)
	}
	uid := k.Owner.Get(t, "session").GetUid()
	if res, err := k.Resolver.ResolveFor(t, "session", uid, true, vaulttest.GCM); err != nil || !res.GetSealed() {
		t.Errorf("ResolveSecret = %v, %v", res, err)
	}
	// One operation may use the secret and issue it.
	hosts := []string{"partner.example"}
	k.Owner.Create(t, "token", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts, IssuedBy: loginName})
	use := &vaultv1.BindSecretRequest{
		Name: vaulttest.NameOf("token"), Usage: vaultv1.Usage_USAGE_CREDENTIAL, Referrer: loginName, OperationId: "op", Host: hosts[0], Port: 443,
	}
	for _, req := range []*vaultv1.BindSecretRequest{use, issuing("token", "login", "op"), use} {
		if _, err := k.Resolver.BindSecret(t.Context(), req); err != nil {
			t.Fatalf("BindSecret(%v) = %v", req, err)
		}
	}
	if _, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "token", "tok", "r1")); err != nil {
		t.Errorf("issuing a short token = %v", err)
	}
	if got := k.Owner.Get(t, "token"); got.GetCurrentVersion() != 2 || !slices.Equal(got.GetAllowedHosts(), hosts) {
		t.Errorf("the token is %v", got)
	}
	if _, err := k.Resolver.IssueSecretVersion(t.Context(), issued(t, k, "token", "a value that the id is no part of", "r2")); err == nil {
		t.Error("an old token was stored again")
	}
}
