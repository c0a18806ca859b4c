package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// roles are the callers of standalone with their role in workspace demo.
var roles = map[person]accessv1.Role{
	admin:  accessv1.Role_ROLE_SUPER_ADMIN,
	owner:  accessv1.Role_ROLE_OWNER,
	member: accessv1.Role_ROLE_MEMBER,
	sender: accessv1.Role_ROLE_SENDER,
}

// open lists the roles that may call each method, as promised by the product. A method that is
// missing here fails the test.
var open = map[string][]person{
	"CreateSecret":             {owner, admin},
	"GetSecret":                {owner, admin},
	"ListSecrets":              {owner, admin},
	"UpdateSecret":             {owner, admin},
	"DeleteSecret":             {owner, admin},
	"UndeleteSecret":           {owner, admin},
	"CheckSecretValue":         {owner, admin},
	"ListSecretHistory":        {owner, admin},
	"ListSecretVersions":       {owner, admin},
	"GetSealing":               {owner, admin},
	"UpdateSealing":            {owner, admin},
	"ListSecretBindings":       {owner, admin},
	"RestoreSecretVersion":     {owner, admin},
	"EnableSecretVersion":      {owner, admin},
	"DisableSecretVersion":     {owner, admin},
	"DestroySecretVersion":     {owner, admin},
	"ReplaceSecretPurpose":     {admin},
	"BindSecret":               {},
	"UnbindSecret":             {},
	"ResolveSecret":            {},
	"ReportSecretUses":         {},
	"ReserveNonces":            {},
	"IssueSecretVersion":       {},
	"WatchSecrets":             {},
	"CreateEndpoint":           {owner, admin},
	"GetEndpoint":              {owner, admin, member},
	"ListEndpoints":            {owner, admin, member},
	"UpdateEndpoint":           {owner, admin},
	"DeleteEndpoint":           {owner, admin},
	"ListEndpointHistory":      {owner, admin},
	"ApproveEndpoint":          {admin},
	"ActivateEndpoint":         {owner, admin},
	"DeactivateEndpoint":       {owner, admin},
	"RebindEndpoints":          {owner, admin},
	"VerifyEndpoint":           {owner, admin},
	"CheckUrl":                 {owner, admin, sender},
	"Encrypt":                  {sender},
	"Decrypt":                  {sender},
	"VerifySignature":          {sender},
	"CheckKeys":                {owner, admin},
	"TestEncryption":           {owner, admin},
	"DiagnoseSample":           {owner, admin},
	"ListPresets":              {owner, admin, member, sender},
	"GetCheckpoint":            {admin},
	"ProveConsistency":         {admin},
	"WitnessCheckpoint":        {},
	"AcceptResolverCheckpoint": {admin},
	"AcceptVaultCheckpoint":    {admin},
	"GetKeyring":               {admin},
	"RotateKeyring":            {admin},
	"EnableKey":                {admin},
	"DisableKey":               {admin},
	"DestroyKey":               {admin},
	"ReplaceKeyProvider":       {admin},
	"RewrapSecrets":            {admin},
	"CancelRewrap":             {admin},
	"Backup":                   {admin},
	"PurgeDeletedData":         {admin},
	"GetRestore":               {admin},
	"ReleaseRestore":           {admin},
	"ReportReconciliation":     {},
	"ListWorkspaces":           {owner, admin, member, sender},
}

func methods(t testing.TB) []protoreflect.MethodDescriptor {
	t.Helper()
	var all []protoreflect.MethodDescriptor
	for _, file := range []protoreflect.FileDescriptor{
		vaultv1.File_keyward_vault_v1_service_proto, allowlistv1.File_keyward_allowlist_v1_service_proto,
		vaultv1.File_keyward_vault_v1_keyring_proto, allowlistv1.File_keyward_allowlist_v1_keyring_proto,
		vaultv1.File_keyward_vault_v1_maintenance_proto, allowlistv1.File_keyward_allowlist_v1_maintenance_proto,
	} {
		list := file.Services().Get(0).Methods()
		for i := range list.Len() {
			all = append(all, list.Get(i))
		}
	}
	return all
}

// TestEachRoleReachesItsMethodsOverJSON sends an otherwise valid request for a missing resource to
// every method, as every caller, in the caller's own workspace and in another one.
func TestEachRoleReachesItsMethodsOverJSON(t *testing.T) {
	t.Parallel()
	s, _ := standalone(t, t.TempDir())
	for _, method := range methods(t) {
		name := string(method.Name())
		allowed, ok := open[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
			continue
		}
		rule, _ := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
		if rule == nil {
			continue // over gRPC only
		}
		for _, workspace := range []string{"demo", "foreign"} {
			verb, path, body := requestFor(rule, workspace)
			for who := range roles {
				everywhere := who == admin || who == sender || !strings.Contains(path, workspace)
				want := slices.Contains(allowed, who) && (workspace == "demo" || everywhere)
				got := s.call(t, who, verb, path, body)
				switch {
				case want && (got.status == http.StatusForbidden || got.status == http.StatusUnauthorized):
					t.Errorf("%s %s as %s = %d %s, want it to be allowed", verb, path, who, got.status, got.body)
				case !want && (got.status != http.StatusForbidden || got.reason() != "PERMISSION_DENIED"):
					t.Errorf("%s %s as %s = %d %s, want 403 PERMISSION_DENIED", verb, path, who, got.status, got.body)
				}
			}
			if got := s.call(t, anonymous, verb, path, body); got.status != http.StatusUnauthorized || got.reason() != "CREDENTIALS_MISSING" {
				t.Errorf("%s %s without a token = %d %s, want 401 CREDENTIALS_MISSING", verb, path, got.status, got.body)
			}
		}
	}
}

// requestFor returns a request for a method's HTTP rule.
func requestFor(rule *annotations.HttpRule, workspace string) (verb, path, body string) {
	switch pattern := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		verb, path = http.MethodGet, pattern.Get
	case *annotations.HttpRule_Post:
		verb, path, body = http.MethodPost, pattern.Post, "{}"
	case *annotations.HttpRule_Patch:
		verb, path, body = http.MethodPatch, pattern.Patch, "{}"
	case *annotations.HttpRule_Delete:
		verb, path = http.MethodDelete, pattern.Delete
	}
	before, rest, _ := strings.Cut(path, "{")
	variable, after, _ := strings.Cut(rest, "}")
	_, resource, _ := strings.Cut(variable, "=")
	resource = strings.Replace(resource, "workspaces/*", "workspaces/"+workspace, 1)
	return verb, before + strings.ReplaceAll(resource, "*", "absent") + after, body
}
