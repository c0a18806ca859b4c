package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

const (
	secrets   = "/v1/workspaces/acme/secrets"
	secret    = secrets + "/db"
	endpoints = "/v1/workspaces/acme/endpoints"
	endpoint  = endpoints + "/pay"
)

func TestEachRouteReachesItsMethod(t *testing.T) {
	t.Parallel()
	tests := []struct{ method, path, body, rpc string }{
		{"POST", secrets + "?secretId=db", `{"value":{"text":"x"}}`, "CreateSecret"},
		{"GET", secret, "", "GetSecret"},
		{"HEAD", secret, "", "GetSecret"},
		{"GET", secrets + "?pageSize=2", "", "ListSecrets"},
		{"PATCH", secret, `{"description":"d"}`, "UpdateSecret"},
		{"DELETE", secret + "?etag=3", "", "DeleteSecret"},
		{"POST", secret + ":undelete", `{"reason":"r"}`, "UndeleteSecret"},
		{"POST", secret + ":checkValue", `{"value":{"text":"x"}}`, "CheckSecretValue"},
		{"GET", secret + "/history", "", "ListSecretHistory"},
		{"GET", secrets + "/-/history", "", "ListSecretHistory"},
		{"GET", "/v1/workspaces/acme/sealing", "", "GetSealing"},
		{"PATCH", "/v1/workspaces/acme/sealing?reason=r", `{"required":true}`, "UpdateSealing"},
		{"GET", secret + "/versions", "", "ListSecretVersions"},
		{"POST", secret + "/versions/2:restore", `{"etag":"3"}`, "RestoreSecretVersion"},
		{"POST", secret + "/versions/2:enable", "", "EnableSecretVersion"},
		{"POST", secret + "/versions/2:disable", `{"reason":"r"}`, "DisableSecretVersion"},
		{"POST", secret + "/versions/2:destroy", `{}`, "DestroySecretVersion"},
		{"POST", secret + ":replacePurpose", `{}`, "ReplaceSecretPurpose"},
		{"GET", secret + "/bindings", "", "ListSecretBindings"},
		{"POST", endpoints + "?endpointId=pay", `{"url":"https://a.example/"}`, "CreateEndpoint"},
		{"GET", endpoint, "", "GetEndpoint"},
		{"GET", endpoints, "", "ListEndpoints"},
		{"PATCH", endpoint, `{"description":"d"}`, "UpdateEndpoint"},
		{"DELETE", endpoint, "", "DeleteEndpoint"},
		{"GET", endpoint + "/history", "", "ListEndpointHistory"},
		{"POST", endpoint + ":approve", `{}`, "ApproveEndpoint"},
		{"POST", endpoint + ":activate", "", "ActivateEndpoint"},
		{"POST", endpoint + ":deactivate", `{"reason":"r"}`, "DeactivateEndpoint"},
		{"POST", endpoint + ":encrypt", `{"body":"eA=="}`, "Encrypt"},
		{"POST", endpoint + ":decrypt", `{"body":"eA=="}`, "Decrypt"},
		{"POST", endpoint + ":verify", `{"method":"METHOD_DNS"}`, "VerifyEndpoint"},
		{"POST", "/v1/workspaces/acme/endpoints:checkUrl", `{"method":"GET","url":"https://a.example/"}`, "CheckUrl"},
		{"POST", "/v1/workspaces/acme/endpoints:rebind", `{"secret":"workspaces/acme/secrets/key"}`, "RebindEndpoints"},
		{"POST", endpoint + ":verifySignature", `{"body":"eA==","headers":{"X-Signature":"00"}}`, "VerifySignature"},
		{"POST", endpoint + ":testEncryption", `{"body":"eA=="}`, "TestEncryption"},
		{"POST", endpoints + "/-:testEncryption", `{"encryption":{}}`, "TestEncryption"},
		{"POST", endpoint + ":checkKeys", `{"sample":"eA=="}`, "CheckKeys"},
		{"POST", endpoints + "/-:checkKeys", `{"endpoint":{}}`, "CheckKeys"},
		{"POST", endpoint + ":diagnoseSample", `{"body":"eA==","plaintext":"eA==","reason":"r"}`, "DiagnoseSample"},
		{"GET", "/v1/workspaces/-/vault/checkpoint", "", "GetCheckpoint"},
		{"GET", "/v1/workspaces/-/vault/consistencyProof?fromSize=1&toSize=2", "", "ProveConsistency"},
		{"POST", "/v1/workspaces/-/vault/resolverCheckpoint:accept", `{"resolver":"spiffe://a.example/b","reason":"r"}`, "AcceptResolverCheckpoint"},
		{"GET", "/v1/workspaces/-/allowlist/checkpoint", "", "GetCheckpoint"},
		{"GET", "/v1/workspaces/-/allowlist/consistencyProof?fromSize=1&toSize=2", "", "ProveConsistency"},
		{"POST", "/v1/workspaces/-/allowlist/vaultCheckpoint:accept", `{"reason":"r"}`, "AcceptVaultCheckpoint"},
		{"GET", "/v1/workspaces/-/vault/keyring", "", "GetKeyring"},
		{"POST", "/v1/workspaces/-/vault/keyring:rotate", `{"reason":"r"}`, "RotateKeyring"},
		{"POST", "/v1/workspaces/-/vault/keyring:enableKey", `{"keyId":"00000000"}`, "EnableKey"},
		{"POST", "/v1/workspaces/-/vault/keyring:disableKey", `{"keyId":"00000000"}`, "DisableKey"},
		{"POST", "/v1/workspaces/-/vault/keyring:destroyKey", `{"keyId":"00000000","reason":"r"}`, "DestroyKey"},
		{"POST", "/v1/workspaces/-/vault/keyring:replaceProvider", `{}`, "ReplaceKeyProvider"},
		{"POST", "/v1/workspaces/-/vault/keyring:rewrap", `{"rate":5}`, "RewrapSecrets"},
		{"POST", "/v1/workspaces/-/vault/keyring:cancelRewrap", "", "CancelRewrap"},
		{"GET", "/v1/workspaces/-/allowlist/keyring", "", "GetKeyring"},
		{"POST", "/v1/workspaces/-/allowlist/keyring:rotate", `{"reason":"r"}`, "RotateKeyring"},
		{"POST", "/v1/workspaces/-/allowlist/keyring:enableKey", `{"keyId":"00000000"}`, "EnableKey"},
		{"POST", "/v1/workspaces/-/allowlist/keyring:disableKey", `{"keyId":"00000000"}`, "DisableKey"},
		{"POST", "/v1/workspaces/-/allowlist/keyring:destroyKey", `{"keyId":"00000000","reason":"r"}`, "DestroyKey"},
		{"POST", "/v1/workspaces/-/allowlist/keyring:replaceProvider", `{}`, "ReplaceKeyProvider"},
		{"POST", "/v1/workspaces/-/vault/deletedData:purge", "", "PurgeDeletedData"},
		{"GET", "/v1/workspaces/-/vault/restore", "", "GetRestore"},
		{"POST", "/v1/workspaces/-/vault/restore:release", `{"reason":"r"}`, "ReleaseRestore"},
		{"POST", "/v1/workspaces/-/allowlist/deletedData:purge", "", "PurgeDeletedData"},
		{"GET", "/v1/presets", "", "ListPresets"},
		{"GET", "/v1/workspaces?pageSize=2", "", "ListWorkspaces"},
		{"GET", "/v1/workspaces:endpoints", "", "ListWorkspaces"},
	}
	e := start(t)
	for _, tc := range tests {
		a := e.do(t, tc.method, tc.path, tc.body)
		if a.code != http.StatusOK {
			t.Errorf("%s %s = %d %s, want 200", tc.method, tc.path, a.code, a.body)
			continue
		}
		if got := e.got(t).method; got != tc.rpc {
			t.Errorf("%s %s reached %s, want %s", tc.method, tc.path, got, tc.rpc)
		}
	}
	// A binding that is not in the table has no test.
	if want := bindings(vaultv1.File_keyward_vault_v1_service_proto, "Bind", "Unbind", "Resolve", "Watch", "Report", "Reserve", "Issue", "Witness") +
		bindings(allowlistv1.File_keyward_allowlist_v1_service_proto) + bindings(vaultv1.File_keyward_vault_v1_keyring_proto) +
		bindings(allowlistv1.File_keyward_allowlist_v1_keyring_proto) +
		bindings(vaultv1.File_keyward_vault_v1_maintenance_proto, "Backup") + bindings(allowlistv1.File_keyward_allowlist_v1_maintenance_proto, "Backup"); len(tests)-4 != want {
		t.Errorf("the table has %d methods, the contract %d", len(tests)-4, want)
	}
}

// bindings counts the methods of a file, except for those with the given name prefixes.
func bindings(file protoreflect.FileDescriptor, but ...string) int {
	n := 0
	methods := file.Services().Get(0).Methods()
	for i := range methods.Len() {
		n++
		for _, prefix := range but {
			if strings.HasPrefix(string(methods.Get(i).Name()), prefix) {
				n--
			}
		}
	}
	return n
}

func TestPathsAreExact(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, path := range map[string]string{
		"an encoded slash":                                    secrets + "/a%2Fhistory",
		"a lower-case encoded slash":                          secrets + "/a%2fversions",
		"an encoded slash in the workspace":                   "/v1/workspaces/a%2Fsecrets/b",
		"an encoded slash after the version":                  "/v1%2Fworkspaces/acme/secrets",
		"an encoded backslash":                                secrets + "/a%5Chistory",
		"a trailing slash of a resource":                      secret + "/",
		"a trailing slash of a collection":                    secrets + "/",
		"an empty segment":                                    "/v1/workspaces//secrets",
		"two slashes at the start":                            "//v1/workspaces/acme/secrets",
		"a dot segment":                                       secrets + "/.",
		"an encoded dot segment":                              secrets + "/%2e%2e",
		"a path that is not UTF-8":                            secrets + "/%ff",
		"a colon in an ID":                                    secrets + "/a:b/history",
		"an encoded colon in an ID":                           endpoints + "/pay%3Ax",
		"an unknown verb":                                     endpoint + ":explode",
		"a method without an HTTP binding":                    secret + ":bind",
		"too many segments":                                   secret + "/history/1",
		"the version alone":                                   "/v1",
		"the version with a slash":                            "/v1/",
		"another version":                                     "/v2/workspaces/acme/secrets",
		"another case":                                        "/V1/workspaces/acme/secrets",
		"the root":                                            "/",
		"the full name of a method":                           "/keyward.vault.v1.VaultService/ResolveSecret",
		"the full name of a method below the version":         "/v1/keyward.vault.v1.VaultService/ResolveSecret",
		"a matrix parameter that looks like another resource": "/v1/workspaces/acme;x/secret",
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			t.Run(name+" "+method, func(t *testing.T) {
				wantProblem(t, e.do(t, method, path, ""), http.StatusNotFound, "ROUTE_NOT_FOUND")
			})
		}
	}
	e.gotNothing(t)
}

func TestDoubleEncodingIsNotUndone(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.do(t, "GET", secrets+"/a%252Fhistory", "")
	call := e.got(t)
	if req, ok := call.req.(*vaultv1.GetSecretRequest); !ok || req.GetName() != "workspaces/acme/secrets/a%2Fhistory" {
		t.Errorf("the backend got %s %v, want GetSecret of a%%2Fhistory", call.method, call.req)
	}
}

func TestWrongMethods(t *testing.T) {
	t.Parallel()
	e := start(t)
	tests := []struct{ name, method, path, allow string }{
		{"no PUT on a secret", "PUT", secret, "GET, HEAD, PATCH, DELETE, OPTIONS"},
		{"no POST on a secret", "POST", secret, "GET, HEAD, PATCH, DELETE, OPTIONS"},
		{"no DELETE on a collection", "DELETE", secrets, "GET, HEAD, POST, OPTIONS"},
		{"no POST on a history", "POST", secret + "/history", "GET, HEAD, OPTIONS"},
		{"no GET on a verb", "GET", endpoint + ":activate", "POST, OPTIONS"},
		{"no DELETE on a verb", "DELETE", endpoint + ":encrypt", "POST, OPTIONS"},
		{"no TRACE", "TRACE", secret, "GET, HEAD, PATCH, DELETE, OPTIONS"},
		{"no custom HTTP method", "PROPFIND", secret, "GET, HEAD, PATCH, DELETE, OPTIONS"},
		{"no POST on the liveness page", "POST", "/healthz", "GET, HEAD, OPTIONS"},
		{"no POST on the description", "POST", "/openapi.json", "GET, HEAD, OPTIONS"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, tc.method, tc.path, "")
			wantProblem(t, a, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
			if got := a.header.Get("Allow"); got != tc.allow {
				t.Errorf("Allow = %q, want %q", got, tc.allow)
			}
		})
	}
	e.gotNothing(t)
}

func TestMethodsAreNotOverridden(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, do := range map[string]func() answer{
		"by a header":                    func() answer { return e.do(t, "POST", secret, "", "X-HTTP-Method-Override", "DELETE") },
		"by a header with a form":        func() answer { return e.do(t, "POST", secret, "a=b", "X-HTTP-Method-Override", "GET") },
		"by posting a form":              func() answer { return e.as(t, "application/x-www-form-urlencoded", "POST", secret, "a=b") },
		"by posting a form to a history": func() answer { return e.as(t, "application/x-www-form-urlencoded", "POST", secret+"/history", "a=b") },
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, do(), http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		})
	}
	e.gotNothing(t)
}

func TestOptionsNamesTheMethodsAndGrantsNothing(t *testing.T) {
	t.Parallel()
	e := start(t)
	a := e.do(t, "OPTIONS", secret, "", "Authorization", "", "Origin", "https://elsewhere.example", "Access-Control-Request-Method", "DELETE")
	if a.code != http.StatusNoContent || a.header.Get("Allow") != "GET, HEAD, PATCH, DELETE, OPTIONS" {
		t.Errorf("OPTIONS = %d, Allow %q", a.code, a.header.Get("Allow"))
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("OPTIONS answers with %s", name)
		}
	}
	e.gotNothing(t)
}

func TestHeadHasNoBody(t *testing.T) {
	t.Parallel()
	e := start(t)
	if a := e.do(t, "HEAD", secret, ""); a.code != http.StatusOK || a.body != "" {
		t.Errorf("HEAD = %d %q, want 200 and no body", a.code, a.body)
	}
}

func TestNewRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	get := func(path string) *annotations.HttpRule {
		return &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: path}}
	}
	for _, tc := range []struct {
		name  string
		rules []*annotations.HttpRule
		want  string // part of the error; empty if New succeeds
	}{
		{"two paths", []*annotations.HttpRule{get("/v1/{name=a/*}"), get("/v1/{name=a/*}/b"), get("/v1/{name=a/*}:verb"), get("/v1/b")}, ""},
		{"the same path twice", []*annotations.HttpRule{get("/v1/{name=a/*}"), get("/v1/a/{name}")}, "the same route"},
		{"a literal in place of a wildcard", []*annotations.HttpRule{get("/v1/a/b"), get("/v1/{name=a/*}")}, "a literal in place of a wildcard"},
		{"a wildcard in place of a literal", []*annotations.HttpRule{get("/v1/{name=a/*}"), get("/v1/a/b")}, "a wildcard in place of the literal b"},
		{"any number of segments", []*annotations.HttpRule{get("/v1/{name=a/**}")}, "**"},
		{"an unknown field in the path", []*annotations.HttpRule{get("/v1/{other}")}, "other is not a string"},
		{"a field of a string in the path", []*annotations.HttpRule{get("/v1/{name.first}")}, "name is not a message field"},
		{"a body that is not a message", []*annotations.HttpRule{{Pattern: &annotations.HttpRule_Post{Post: "/v1/a"}, Body: "name"}}, "body: name is not a message field"},
		{"a response body that is not there", []*annotations.HttpRule{{Pattern: &annotations.HttpRule_Get{Get: "/v1/a"}, ResponseBody: "other"}}, "response body: other is not a message field"},
		{"another HTTP method", []*annotations.HttpRule{{Pattern: &annotations.HttpRule_Custom{Custom: &annotations.CustomHttpPattern{Kind: "HEAD", Path: "/v1/a"}}}}, "the HTTP method must be"},
	} {
		_, err := gateway.New(gateway.Config{}, gateway.Backend{Conn: new(recorder), Service: serviceOf(t, tc.rules)})
		if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: New = %v, want %q", tc.name, err, tc.want)
		}
	}
}

// serviceOf returns a service with a method for each rule, all with the messages of GetSecret.
func serviceOf(t *testing.T, rules []*annotations.HttpRule) protoreflect.ServiceDescriptor {
	t.Helper()
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Service")}
	for i, rule := range rules {
		options := new(descriptorpb.MethodOptions)
		proto.SetExtension(options, annotations.E_Http, rule)
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name:       proto.String(fmt.Sprintf("Method%d", i)),
			InputType:  proto.String(".keyward.vault.v1.GetSecretRequest"),
			OutputType: proto.String(".keyward.vault.v1.GetSecretResponse"),
			Options:    options,
		})
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		Dependency: []string{vaultv1.File_keyward_vault_v1_service_proto.Path()},
		Service:    []*descriptorpb.ServiceDescriptorProto{service},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Services().Get(0)
}
