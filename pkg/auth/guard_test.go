package auth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// mayCall says who may call which method: owner, super admin, member, resolver,
// sender, or `*` for any authenticated caller. It is written down a second time on purpose, so that a slip in an
// access option does not go unnoticed.
var mayCall = map[string]string{
	"CreateSecret": "OA", "GetSecret": "OA", "ListSecrets": "OA", "UpdateSecret": "OA", "DeleteSecret": "OA",
	"UndeleteSecret": "OA", "CheckSecretValue": "OA",
	"GetSealing": "OAR", "UpdateSealing": "OA",
	"ListSecretHistory": "OA", "ListSecretVersions": "OA", "ListSecretBindings": "OAR",
	"RestoreSecretVersion": "OA", "EnableSecretVersion": "OA", "DisableSecretVersion": "OA", "DestroySecretVersion": "OA",
	"ReplaceSecretPurpose": "A",
	"BindSecret":           "R", "UnbindSecret": "R", "ResolveSecret": "R", "WatchSecrets": "R", "ReportSecretUses": "R", "ReserveNonces": "R",
	"IssueSecretVersion": "R",
	"CreateEndpoint":     "OA", "GetEndpoint": "OAM", "ListEndpoints": "OAM", "UpdateEndpoint": "OA", "DeleteEndpoint": "OA",
	"ListEndpointHistory": "OA", "ActivateEndpoint": "OA", "DeactivateEndpoint": "OA", "ApproveEndpoint": "A",
	"RebindEndpoints": "OA", "VerifyEndpoint": "OA", "CheckUrl": "OAS",
	"Encrypt": "S", "Decrypt": "S", "VerifySignature": "S",
	"CheckKeys": "OA", "TestEncryption": "OA", "DiagnoseSample": "OA", "ListPresets": "*",
	"WitnessCheckpoint": "R", "ReportReconciliation": "R", "AcceptResolverCheckpoint": "A", "AcceptVaultCheckpoint": "A",
	"VaultService.GetCheckpoint": "AR", "VaultService.ProveConsistency": "AR",
	"AllowlistService.GetCheckpoint": "A", "AllowlistService.ProveConsistency": "A",
	"GetKeyring": "A", "RotateKeyring": "A", "EnableKey": "A", "DisableKey": "A", "DestroyKey": "A", "ReplaceKeyProvider": "A",
	"RewrapSecrets": "A", "CancelRewrap": "A",
	"Backup": "A", "PurgeDeletedData": "A", "GetRestore": "A", "ReleaseRestore": "A",
	"GetCaller": "*", "ListWorkspaces": "*",
}

// inTable returns the key of a method in mayCall: its name, with the service if the methods of that
// name have different callers.
func inTable(method protoreflect.MethodDescriptor) string {
	full := string(method.Parent().Name()) + "." + string(method.Name())
	if _, ok := mayCall[full]; ok {
		return full
	}
	return string(method.Name())
}

// door is a real server, with both services behind the interceptors, which do not
// do anything: a call that is admitted ends with UNIMPLEMENTED.
type door struct {
	*world
	server  *grpc.Server
	address string
	// seen receives the principal of each call that is admitted.
	seen chan auth.Principal
}

func openDoor(t *testing.T, configure ...func(*auth.Config)) *door {
	t.Helper()
	d := &door{world: newWorld(t), seen: make(chan auth.Principal, 1)}
	d.authn = d.authenticator(t, configure...)
	cert, err := d.authority.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	config := auth.ServerTLSConfig(cert, trusting(t, d.authority))
	d.server = d.grpcServer(t, grpc.Creds(credentials.NewTLS(config)))
	d.address = listen(t, d.server)
	return d
}

func (d *door) grpcServer(t *testing.T, options ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	var guard *auth.Guard
	server := grpc.NewServer(append(options,
		grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			p, err := d.admit(ctx, guard, info.FullMethod, req)
			if err != nil {
				return nil, statusOf(err)
			}
			d.watch(p)
			resp, err := next(auth.NewContext(ctx, p), req)
			return resp, statusOf(err)
		}),
		grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if auth.Open(info.FullMethod) {
				return next(srv, stream)
			}
			p, err := d.authn.Authenticate(stream.Context())
			if err != nil {
				return statusOf(err)
			}
			return statusOf(next(srv, d.authn.Stream(stream, guard.Rule(info.FullMethod), p)))
		}))...)
	accessv1.RegisterAccessServiceServer(server, accessv1.UnimplementedAccessServiceServer{})
	vaultv1.RegisterVaultServiceServer(server, vaultv1.UnimplementedVaultServiceServer{})
	allowlistv1.RegisterAllowlistServiceServer(server, allowlistv1.UnimplementedAllowlistServiceServer{})
	vaultv1.RegisterKeyringServiceServer(server, vaultv1.UnimplementedKeyringServiceServer{})
	allowlistv1.RegisterKeyringServiceServer(server, allowlistv1.UnimplementedKeyringServiceServer{})
	vaultv1.RegisterMaintenanceServiceServer(server, vaultv1.UnimplementedMaintenanceServiceServer{})
	allowlistv1.RegisterMaintenanceServiceServer(server, allowlistv1.UnimplementedMaintenanceServiceServer{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	var err error
	if guard, err = auth.NewGuard(server.GetServiceInfo()); err != nil {
		t.Fatal(err)
	}
	return server
}

// admit checks a request as the real server does.
func (d *door) admit(ctx context.Context, guard *auth.Guard, method string, req any) (auth.Principal, error) {
	if auth.Open(method) {
		return auth.Principal{}, nil
	}
	p, err := d.authn.Authenticate(ctx)
	if err != nil {
		return p, err
	}
	rule := guard.Rule(method)
	return p, rule.Admit(&p, rule.Resource(req))
}

// watch passes the principal on to the test, if it looks.
func (d *door) watch(p auth.Principal) {
	select {
	case d.seen <- p:
	default:
	}
}

// statusOf maps faults, as the real server does far more thoroughly.
func statusOf(err error) error {
	f, ok := fault.From(err)
	if !ok {
		return err
	}
	code := map[fault.Kind]codes.Code{
		fault.Unauthenticated: codes.Unauthenticated, fault.PermissionDenied: codes.PermissionDenied,
		fault.Unavailable: codes.Unavailable, fault.ResourceExhausted: codes.ResourceExhausted,
	}[f.Kind]
	return status.Error(code, f.Message)
}

// caller is who dials: with a certificate, with headers, with both or neither.
type caller struct {
	certificate *tls.Certificate
	headers     []string
}

func (d *door) dial(t *testing.T, certificate *tls.Certificate) *grpc.ClientConn {
	t.Helper()
	config := auth.ClientTLSConfig(certificate, d.authority.Pool(), spiffeid.ID{})
	conn, err := grpc.NewClient(d.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// call sends a request that is empty except for the resource name, and returns the code.
func call(t *testing.T, conn *grpc.ClientConn, method protoreflect.MethodDescriptor, name string, headers ...string) codes.Code {
	t.Helper()
	request := dynamicpb.NewMessage(method.Input())
	access := proto.GetExtension(method.Options(), accessv1.E_Access).(*accessv1.Access)
	var at protoreflect.Message = request
	path := strings.Split(access.GetWorkspaceField(), ".")
	for _, step := range path[:len(path)-1] {
		at = at.Mutable(at.Descriptor().Fields().ByName(protoreflect.Name(step))).Message()
	}
	if field := at.Descriptor().Fields().ByName(protoreflect.Name(path[len(path)-1])); field != nil {
		at.Set(field, protoreflect.ValueOfString(name))
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
	full := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
	if !method.IsStreamingServer() {
		return status.Code(conn.Invoke(ctx, full, request, dynamicpb.NewMessage(method.Output())))
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, full)
	if err != nil {
		return status.Code(err)
	}
	if err := errors.Join(stream.SendMsg(request), stream.CloseSend()); err != nil && !errors.Is(err, io.EOF) {
		return status.Code(err)
	}
	return status.Code(stream.RecvMsg(dynamicpb.NewMessage(method.Output())))
}

// methods returns all that the server offers and is not open.
func (d *door) methods(t *testing.T) []protoreflect.MethodDescriptor {
	t.Helper()
	var all []protoreflect.MethodDescriptor
	for service, info := range d.server.GetServiceInfo() {
		for _, m := range info.Methods {
			if auth.Open("/" + service + "/" + m.Name) {
				continue
			}
			found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + m.Name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, found.(protoreflect.MethodDescriptor))
		}
	}
	return all
}

func (d *door) method(t *testing.T, name string) protoreflect.MethodDescriptor {
	t.Helper()
	for _, m := range d.methods(t) {
		if string(m.Name()) == name {
			return m
		}
	}
	t.Fatalf("there is no method %s", name)
	return nil
}

func (d *door) bearer(t *testing.T, subject string, extra map[string]any) caller {
	t.Helper()
	return caller{headers: []string{"authorization", "Bearer " + d.token(t, subject, extra)}}
}

func TestEveryMethodByEveryCaller(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	admins := map[string]any{"realm": map[string]any{"groups": []any{"admins"}}}
	gatewayFor := d.bearer(t, "olivia", nil)
	gatewayFor.certificate = d.certificate(t, "/gateway")
	senderFor := d.bearer(t, "olivia", nil)
	senderFor.certificate = d.certificate(t, "/sender")
	methods := d.methods(t)
	names := make(map[string]bool) // ListWorkspaces is one of both services
	for _, method := range methods {
		names[inTable(method)] = true
	}
	if len(names) != len(mayCall) {
		t.Errorf("there are %d names of methods, want the %d of the table", len(names), len(mayCall))
	}
	for _, tt := range []struct {
		name   string
		caller caller
		// role is the caller's letter in the table; without one, all is refused by refusal.
		role    string
		refusal codes.Code
	}{
		{"nobody", caller{}, "", codes.Unauthenticated},
		{"garbage", caller{headers: []string{"authorization", "Bearer garbage"}}, "", codes.Unauthenticated},
		{"a gateway alone", caller{certificate: d.certificate(t, "/gateway")}, "", codes.Unauthenticated},
		{"a workload with somebody's token", senderFor, "", codes.Unauthenticated},
		{"a stranger", d.bearer(t, "sam", nil), "", codes.PermissionDenied},
		{"an unknown workload", caller{certificate: d.certificate(t, "/unknown")}, "", codes.PermissionDenied},
		{"an owner of another workspace", d.bearer(t, "oscar", nil), "", codes.PermissionDenied},
		{"a resolver of another workspace", caller{certificate: d.certificate(t, "/elsewhere")}, "", codes.PermissionDenied},
		{"a sender for another endpoint", caller{certificate: d.certificate(t, "/narrow")}, "", codes.PermissionDenied},
		{"an owner", d.bearer(t, "olivia", nil), "O", codes.PermissionDenied},
		{"an owner through a gateway", gatewayFor, "O", codes.PermissionDenied},
		{"a member", d.bearer(t, "mia", nil), "M", codes.PermissionDenied},
		{"a super admin", d.bearer(t, "ann", admins), "A", codes.PermissionDenied},
		{"a resolver", caller{certificate: d.certificate(t, "/allowlist")}, "R", codes.PermissionDenied},
		{"a sender", caller{certificate: d.certificate(t, "/sender")}, "S", codes.PermissionDenied},
		{"a sender for this endpoint", d.bearer(t, "robot", nil), "S", codes.PermissionDenied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			conn := d.dial(t, tt.caller.certificate)
			for _, method := range methods {
				want := tt.refusal
				roles := mayCall[inTable(method)]
				if tt.role != "" && strings.Contains(roles, tt.role) || roles == "*" && want == codes.PermissionDenied {
					want = codes.Unimplemented
				}
				if got := call(t, conn, method, "workspaces/acme/endpoints/payments", tt.caller.headers...); got != want {
					t.Errorf("%s = %v, want %v", method.Name(), got, want)
				}
			}
		})
	}
}

func TestMalformedNamesAreDeniedButToSuperAdmins(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	conn := d.dial(t, nil)
	resolver := d.dial(t, d.certificate(t, "/allowlist"))
	owner := d.bearer(t, "olivia", nil).headers
	admin := d.bearer(t, "ann", map[string]any{"realm": map[string]any{"groups": "admins"}}).headers
	for _, name := range []string{"", "acme", "workspaces/", "workspaces/acme/", "workspaces/acme/secrets", "workspaces/acme/../other", "workspaces/-", "workspaces/acme/secrets/a b"} {
		for _, method := range []string{"GetSecret", "UpdateSecret", "ListSecrets", "UpdateEndpoint"} {
			m := d.method(t, method)
			if got := call(t, conn, m, name, owner...); got != codes.PermissionDenied {
				t.Errorf("%s(%q) by the owner = %v, want PermissionDenied", method, name, got)
			}
			if got := call(t, conn, m, name, admin...); got != codes.Unimplemented {
				t.Errorf("%s(%q) by a super admin = %v, want it admitted", method, name, got)
			}
		}
		m := d.method(t, "ResolveSecret")
		if got := call(t, conn, m, name, admin...); got != codes.PermissionDenied {
			t.Errorf("ResolveSecret(%q) by a super admin = %v, want PermissionDenied", name, got)
		}
		want := codes.PermissionDenied
		if name == "workspaces/-" { // all workspaces, which is for the method to take or not
			want = codes.Unimplemented
		}
		if got := call(t, resolver, m, name); got != want {
			t.Errorf("ResolveSecret(%q) by a resolver of all workspaces = %v, want %v", name, got, want)
		}
	}
}

func TestANarrowedSenderReachesItsEndpointsAndTheWorkspaceItself(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	conn := d.dial(t, d.certificate(t, "/narrow"))
	for _, tt := range []struct {
		method, name string
		want         codes.Code
	}{
		{"CheckUrl", "workspaces/acme", codes.Unimplemented},
		{"CheckUrl", "workspaces/other", codes.PermissionDenied},
		{"CheckUrl", "workspaces/-", codes.PermissionDenied},
		{"ListEndpoints", "workspaces/acme", codes.PermissionDenied},
		{"Encrypt", "workspaces/acme/endpoints/refunds", codes.Unimplemented},
		{"Encrypt", "workspaces/acme/endpoints/payments", codes.PermissionDenied},
		{"Encrypt", "workspaces/acme/endpoints/-", codes.PermissionDenied},
	} {
		if got := call(t, conn, d.method(t, tt.method), tt.name); got != tt.want {
			t.Errorf("%s(%q) = %v, want %v", tt.method, tt.name, got, tt.want)
		}
	}
}

func TestOpenServicesAskForNothing(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	for _, headers := range [][]string{nil, {"authorization", "Bearer garbage"}} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), headers...)
		if _, err := healthpb.NewHealthClient(d.dial(t, nil)).Check(ctx, &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("Check = %v", err)
		}
		stream, err := reflectionpb.NewServerReflectionClient(d.dial(t, nil)).ServerReflectionInfo(ctx)
		if err != nil {
			t.Fatal(err)
		}
		list := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
		if err := stream.Send(list); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Errorf("ServerReflectionInfo = %v", err)
		}
	}
}

func TestGuardDoesNotAdmitWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	guard, err := auth.NewGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	admin := auth.Principal{Subject: "s", Grants: []auth.Grant{{Role: accessv1.Role_ROLE_SUPER_ADMIN, Workspace: auth.Everywhere}}}
	for _, method := range []string{vaultv1.VaultService_GetSecret_FullMethodName, vaultv1.VaultService_WatchSecrets_FullMethodName} {
		rule := guard.Rule(method)
		err = rule.Admit(&admin, rule.Resource(&vaultv1.GetSecretRequest{Name: "workspaces/acme/secrets/s"}))
		if !fault.Is(err, fault.Denied) {
			t.Errorf("Admit = %v for %s, which the guard does not know, want PERMISSION_DENIED", err, method)
		}
	}
}
