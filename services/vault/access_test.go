package vault_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// The kinds of callers, as seen from workspace acme.
const (
	anOwner          = "the owner"
	aSuperAdmin      = "a super admin"
	aResolver        = "a resolver"
	ownerElsewhere   = "the owner of another workspace"
	aMember          = "a member"
	aSender          = "a sender"
	resolveElsewhere = "a resolver of another workspace"
	aProxy           = "a proxy without a token"
	aStranger        = "a stranger"
	unknownWorkload  = "an unknown workload"
	anonymous        = "a caller without credentials"
)

// A right is the callers who may call a method, and the error that they get for an absent
// resource.
type right struct {
	request  func(id string) proto.Message
	response proto.Message
	callers  []string
	want     codes.Code
}

// rights returns, for each method, who may call it and the error for an ID that does not exist.
func rights() map[string]right {
	owners, workloads := []string{anOwner, aSuperAdmin}, []string{aResolver}
	secretOf := func(id string) *vaultv1.Secret { return &vaultv1.Secret{Name: vaulttest.NameOf(id), Description: "d"} }
	return map[string]right{
		"CreateSecret":   {func(id string) proto.Message { return vaulttest.CreateRequest(id, "v", "") }, new(vaultv1.CreateSecretResponse), owners, codes.OK},
		"GetSecret":      {func(id string) proto.Message { return &vaultv1.GetSecretRequest{Name: vaulttest.NameOf(id)} }, new(vaultv1.GetSecretResponse), owners, codes.NotFound},
		"ListSecrets":    {func(string) proto.Message { return &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace} }, new(vaultv1.ListSecretsResponse), owners, codes.OK},
		"UpdateSecret":   {func(id string) proto.Message { return &vaultv1.UpdateSecretRequest{Secret: secretOf(id)} }, new(vaultv1.UpdateSecretResponse), owners, codes.NotFound},
		"DeleteSecret":   {func(id string) proto.Message { return &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf(id)} }, new(vaultv1.DeleteSecretResponse), owners, codes.NotFound},
		"UndeleteSecret": {func(id string) proto.Message { return &vaultv1.UndeleteSecretRequest{Name: vaulttest.NameOf(id)} }, new(vaultv1.UndeleteSecretResponse), owners, codes.NotFound},
		"CheckSecretValue": {
			func(id string) proto.Message {
				return &vaultv1.CheckSecretValueRequest{Name: vaulttest.NameOf(id), Value: vaulttest.Text("v")}
			},
			new(vaultv1.CheckSecretValueResponse), owners, codes.NotFound,
		},
		"ListSecretHistory": {
			func(id string) proto.Message { return &vaultv1.ListSecretHistoryRequest{Name: vaulttest.NameOf(id)} },
			new(vaultv1.ListSecretHistoryResponse), owners, codes.OK,
		},
		"ListSecretVersions": {
			func(id string) proto.Message { return &vaultv1.ListSecretVersionsRequest{Parent: vaulttest.NameOf(id)} },
			new(vaultv1.ListSecretVersionsResponse), owners, codes.NotFound,
		},
		"RestoreSecretVersion": {
			func(id string) proto.Message {
				return &vaultv1.RestoreSecretVersionRequest{Name: vaulttest.VersionOf(id, 1)}
			},
			new(vaultv1.RestoreSecretVersionResponse), owners, codes.NotFound,
		},
		"EnableSecretVersion": {
			func(id string) proto.Message {
				return &vaultv1.EnableSecretVersionRequest{Name: vaulttest.VersionOf(id, 1)}
			},
			new(vaultv1.EnableSecretVersionResponse), owners, codes.NotFound,
		},
		"DisableSecretVersion": {
			func(id string) proto.Message {
				return &vaultv1.DisableSecretVersionRequest{Name: vaulttest.VersionOf(id, 1)}
			},
			new(vaultv1.DisableSecretVersionResponse), owners, codes.NotFound,
		},
		"DestroySecretVersion": {
			func(id string) proto.Message {
				return &vaultv1.DestroySecretVersionRequest{Name: vaulttest.VersionOf(id, 1), Force: true, Reason: "r"}
			},
			new(vaultv1.DestroySecretVersionResponse), owners, codes.NotFound,
		},
		"ListSecretBindings": {
			func(id string) proto.Message { return &vaultv1.ListSecretBindingsRequest{Parent: vaulttest.NameOf(id)} },
			new(vaultv1.ListSecretBindingsResponse), append(owners, aResolver), codes.NotFound,
		},
		"BindSecret": {func(id string) proto.Message { return vaulttest.BindRequest(id, "e", "op") }, new(vaultv1.BindSecretResponse), workloads, codes.NotFound},
		"UnbindSecret": {
			func(id string) proto.Message {
				return &vaultv1.UnbindSecretRequest{Name: vaulttest.NameOf(id), OperationId: "op"}
			},
			new(vaultv1.UnbindSecretResponse), workloads, codes.OK,
		},
		"ResolveSecret": {
			func(id string) proto.Message {
				return &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf(id), Uid: "u", Purpose: vaulttest.Purpose()}
			},
			new(vaultv1.ResolveSecretResponse), workloads, codes.NotFound,
		},
		"ReplaceSecretPurpose": {
			func(id string) proto.Message {
				return &vaultv1.ReplaceSecretPurposeRequest{Name: vaulttest.NameOf(id), Chains: []string{vaulttest.Chain}, Reason: "a mistake"}
			},
			new(vaultv1.ReplaceSecretPurposeResponse),
			[]string{aSuperAdmin},
			codes.NotFound,
		},
		"ReportSecretUses": {
			func(id string) proto.Message {
				return vaulttest.ReportRequest("report", vaulttest.UseOf(id, "u", 1, 1))
			},
			new(vaultv1.ReportSecretUsesResponse), workloads, codes.OK,
		},
		"IssueSecretVersion": {
			func(id string) proto.Message {
				return &vaultv1.IssueSecretVersionRequest{
					Name: vaulttest.NameOf(id), Referrer: vaulttest.Workspace + "/endpoints/e", RequestId: "r",
					Value: &vaultv1.SealedValue{KeyId: "k", SealTime: &timestamppb.Timestamp{Seconds: 1}, Ciphertext: make([]byte, 49)},
				}
			},
			new(vaultv1.IssueSecretVersionResponse), workloads, codes.NotFound,
		},
		"ReserveNonces": {
			func(id string) proto.Message {
				return &vaultv1.ReserveNoncesRequest{Name: vaulttest.NameOf(id), Uid: "u", Version: 1, RandomBits: 96, Count: 1}
			},
			new(vaultv1.ReserveNoncesResponse), workloads, codes.NotFound,
		},
		"GetCheckpoint": {
			func(string) proto.Message { return &vaultv1.GetCheckpointRequest{Parent: vaulttest.Everywhere} },
			new(vaultv1.GetCheckpointResponse),
			[]string{aSuperAdmin, aResolver},
			codes.OK,
		},
		"ProveConsistency": {
			func(string) proto.Message {
				return &vaultv1.ProveConsistencyRequest{Parent: vaulttest.Everywhere, FromSize: 1, ToSize: 1}
			},
			new(vaultv1.ProveConsistencyResponse),
			[]string{aSuperAdmin, aResolver},
			codes.OK,
		},
		"WitnessCheckpoint": {
			func(string) proto.Message {
				return &vaultv1.WitnessCheckpointRequest{Parent: vaulttest.Everywhere, Checkpoint: "c", VerifierKey: "k"}
			},
			new(vaultv1.WitnessCheckpointResponse), workloads, codes.InvalidArgument,
		},
		"ReportReconciliation": {
			func(string) proto.Message {
				return &vaultv1.ReportReconciliationRequest{Parent: vaulttest.Everywhere, Epoch: "e"}
			},
			new(vaultv1.ReportReconciliationResponse), workloads, codes.OK,
		},
		"AcceptResolverCheckpoint": {
			func(string) proto.Message {
				return &vaultv1.AcceptResolverCheckpointRequest{Parent: vaulttest.Everywhere, Resolver: "none", Reason: "r"}
			},
			new(vaultv1.AcceptResolverCheckpointResponse),
			[]string{aSuperAdmin},
			codes.InvalidArgument,
		},
		"GetSealing": {
			func(string) proto.Message { return &vaultv1.GetSealingRequest{Name: vaulttest.Workspace + "/sealing"} },
			new(vaultv1.GetSealingResponse), append(owners, aResolver), codes.OK,
		},
		"UpdateSealing": {
			func(string) proto.Message {
				return &vaultv1.UpdateSealingRequest{Sealing: &vaultv1.Sealing{Name: vaulttest.Workspace + "/sealing"}}
			},
			new(vaultv1.UpdateSealingResponse), owners, codes.OK,
		},
		"ListWorkspaces": {
			func(string) proto.Message { return new(vaultv1.ListWorkspacesRequest) },
			new(vaultv1.ListWorkspacesResponse),
			[]string{
				anOwner, aSuperAdmin, aResolver, ownerElsewhere, aMember, aSender, resolveElsewhere, aStranger, unknownWorkload,
			},
			codes.OK,
		},
		"WatchSecrets": {
			func(string) proto.Message { return &vaultv1.WatchSecretsRequest{Parent: vaulttest.Workspace} },
			new(vaultv1.WatchSecretsResponse), workloads, codes.OK,
		},
	}
}

func callers(t testing.TB, k *vaulttest.Kit) map[string]servertest.Caller {
	t.Helper()
	return map[string]servertest.Caller{
		anOwner:          k.Env.Owner(t, "acme"),
		aSuperAdmin:      k.Env.SuperAdmin(t),
		aResolver:        k.Env.Resolver(t),
		ownerElsewhere:   k.Env.Owner(t, "other"),
		aMember:          k.Env.Member(t, "acme"),
		aSender:          k.Env.Sender(t),
		resolveElsewhere: k.Env.Workload(t, "elsewhere", "resolver", "other"),
		aProxy:           k.Env.Proxy(t),
		aStranger:        k.Env.Stranger(t),
		unknownWorkload:  k.Env.Workload(t, "unknown", ""),
		anonymous:        {},
	}
}

// invoke calls a method. For a streaming method it reads the first response.
func invoke(ctx context.Context, conn *grpc.ClientConn, path string, req, res proto.Message) error {
	if path != vaultv1.VaultService_WatchSecrets_FullMethodName {
		return conn.Invoke(ctx, path, req, res)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		return err
	}
	// The response reports any error of the stream.
	_ = errors.Join(stream.SendMsg(req), stream.CloseSend())
	return stream.RecvMsg(res)
}

func TestEveryMethodIsOpenToItsRolesOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "present", &vaultv1.Secret{})
	conns := make(map[string]*grpc.ClientConn)
	for who, caller := range callers(t, k) {
		conns[who] = k.Env.Dial(t, k.Running.Addr, caller)
	}
	table := rights()
	service := vaultv1.File_keyward_vault_v1_service_proto.Services().ByName("VaultService")
	for i := range service.Methods().Len() {
		method := string(service.Methods().Get(i).Name())
		r, listed := table[method]
		if !listed {
			t.Errorf("%s is not in the table of this test", method)
			continue
		}
		path := "/" + string(service.FullName()) + "/" + method
		for who, conn := range conns {
			id := strings.ReplaceAll(method+" "+who, " ", "-") // CreateSecret creates one for each caller
			err := invoke(t.Context(), conn, path, r.request(id), r.response)
			what := method + " by " + who
			switch {
			case slices.Contains(r.callers, who):
				if status.Code(err) != r.want {
					t.Errorf("%s = %v, want %v", what, err, r.want)
				}
			case who == anonymous || who == aProxy:
				vaulttest.WantError(t, what, err, codes.Unauthenticated, commonv1.ErrorReason_ERROR_REASON_CREDENTIALS_MISSING)
			default:
				vaulttest.WantError(t, what, err, codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
				there := invoke(t.Context(), conn, path, r.request("present"), r.response)
				if there.Error() != err.Error() || len(servertest.Metadata(there)) != 0 {
					t.Errorf("%s learns whether the secret exists: %v, %v", what, err, there)
				}
			}
		}
	}
}

func TestMalformedNameIsDeniedToAllButSuperAdmins(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for _, name := range []string{"", "workspaces", "workspaces//secrets/a", "workspaces/acme", "workspaces/acme/secrets/", "workspaces/acme/secrets/a/b", "secrets/a"} {
		_, err := k.Admin.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name})
		vaulttest.WantField(t, "GetSecret("+name+") by a super admin", err, "name")
		_, err = k.Owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name})
		if code := status.Code(err); code != codes.PermissionDenied && name != "workspaces/acme" {
			t.Errorf("GetSecret(%q) by an owner = %v, want %v", name, err, codes.PermissionDenied)
		}
	}
}
