package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestViolationsNameTheRuleNotTheInput(t *testing.T) {
	t.Parallel()
	secret := func(change func(*vaultv1.Secret)) *vaultv1.CreateSecretRequest {
		s := &vaultv1.Secret{}
		change(s)
		return &vaultv1.CreateSecretRequest{Parent: "workspaces/acme", SecretId: "x", Secret: s}
	}
	const bad = canary + "\n"
	tests := []struct {
		name string
		req  *vaultv1.CreateSecretRequest
		want []fault.Violation
	}{
		{
			"nothing where a message is required",
			&vaultv1.CreateSecretRequest{Parent: "workspaces/acme", SecretId: "x"},
			[]fault.Violation{{Field: "secret", Description: "value is required"}},
		},
		{
			"a text that is too long",
			secret(func(s *vaultv1.Secret) { s.Description = strings.Repeat(canary, 100) }),
			[]fault.Violation{{Field: "secret.description", Description: "must be at most 1024 characters"}},
		},
		{
			"a key of a map, once",
			secret(func(s *vaultv1.Secret) { s.Labels = map[string]string{bad: "", bad + "2": ""} }),
			[]fault.Violation{{Field: "secret.labels", Description: "key: does not match regex pattern `^[a-z][a-z0-9_.-]{0,62}$`"}},
		},
		{
			"a value of a map",
			secret(func(s *vaultv1.Secret) { s.Labels = map[string]string{"a": bad} }),
			[]fault.Violation{{Field: "secret.labels", Description: "does not match regex pattern `^[A-Za-z0-9_.-]{0,63}$`"}},
		},
		{
			"an item of a list",
			secret(func(s *vaultv1.Secret) { s.AllowedHosts = []string{"a", strings.Repeat(canary, 20)} }),
			[]fault.Violation{{Field: "secret.allowed_hosts[1]", Description: "must be at most 259 characters"}},
		},
		{
			"an unknown value of an enum",
			secret(func(s *vaultv1.Secret) { s.Usage = 4711 }),
			[]fault.Violation{{Field: "secret.usage", Description: "value must be one of the defined enum values"}},
		},
		{
			"an empty oneof",
			secret(func(s *vaultv1.Secret) { s.Value = &vaultv1.SecretValue{} }),
			[]fault.Violation{{Field: "secret.value.source", Description: "exactly one of its fields must be set"}},
		},
	}
	env := servertest.New(t)
	client := vaultv1.NewVaultServiceClient(env.Dial(t, env.Serve(t, &fake{}), env.Owner(t, "acme")))
	for _, tt := range tests {
		_, err := client.CreateSecret(t.Context(), tt.req)
		if status.Code(err) != codes.InvalidArgument || servertest.Reason(err) != "INVALID_FIELD" {
			t.Errorf("%s: CreateSecret() = %v %q, want INVALID_FIELD", tt.name, err, servertest.Reason(err))
		}
		if diff := cmp.Diff(tt.want, servertest.Violations(err)); diff != "" {
			t.Errorf("%s: violations (-want +got):\n%s", tt.name, diff)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, status.Convert(err).Details()), canary)
	}
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
}
