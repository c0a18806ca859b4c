// Package api implements the allowlist's gRPC service. A handler parses its request, calls package
// endpoint or exchange once, and converts the result; it decides nothing else.
//
// The server's interceptors run first: every caller is authenticated and has a role in the
// workspace, and the request satisfies the rules that its messages declare. Errors are faults,
// which the interceptors convert to statuses.
//
// A violation in an endpoint does not end the request: the violations go to the registry together
// with the valid settings ([endpoint.Call]), so that the response also names what is wrong with
// the secrets. Package violation merges all of them.
package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/page"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/pkg/server"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/exchange"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// Parts are the components of a server. All are required.
type Parts struct {
	Heads     *witness.Witness
	Vault     *vaultclient.Vault
	Endpoints *endpoint.Registry
	Exchanges *exchange.Processor
	Uses      *activity.Meter
	Failures  *activity.Failures
	Presets   *preset.Library
	Tryouts   *tryout.Tester
	// Ledger is the ledger in which Endpoints looks up repeated requests.
	Ledger *replay.Ledger
	Pages  *page.Sealer
	Now    func() time.Time
}

// A Server answers the methods of AllowlistService.
type Server struct {
	allowlistv1.UnimplementedAllowlistServiceServer

	heads     *witness.Witness
	vault     *vaultclient.Vault
	endpoints *endpoint.Registry
	exchanges *exchange.Processor
	uses      *activity.Meter
	failures  *activity.Failures
	presets   *preset.Library
	tryouts   *tryout.Tester
	ledger    *replay.Ledger
	pages     *page.Sealer
	now       func() time.Time
}

// New returns a server.
func New(p Parts) *Server {
	return &Server{
		heads: p.Heads, vault: p.Vault, endpoints: p.Endpoints, exchanges: p.Exchanges, uses: p.Uses, failures: p.Failures, presets: p.Presets, tryouts: p.Tryouts,
		ledger: p.Ledger, pages: p.Pages, now: p.Now,
	}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	allowlistv1.RegisterAllowlistServiceServer(r, s)
}

// newCall describes a change and its caller. Every logged change gets its author here, so that a
// reason that contains a secret never reaches the log.
func newCall(ctx context.Context, workspace, reason string) (endpoint.Call, error) {
	if err := prose("reason", reason); err != nil {
		return endpoint.Call{}, err
	}
	return endpoint.Call{
		Author:     server.Author(ctx, "workspaces/"+workspace, reason),
		SuperAdmin: auth.FromContext(ctx).SuperAdmin(),
	}, nil
}

// once is newCall for a request that may be repeated with its idempotency key.
func (s *Server) once(ctx context.Context, method, workspace, reason, id string, req proto.Message) (endpoint.Call, error) {
	call, err := newCall(ctx, workspace, reason)
	if err != nil {
		return endpoint.Call{}, err
	}
	call.Request, err = s.ledger.Request(auth.FromContext(ctx).Subject, method, id, req)
	return call, err
}

// page decrypts the page token of a list request. seal creates the next token from a cursor.
func (s *Server) page(ctx context.Context, req page.ListRequest) (cursor []byte, seal func([]byte) string, err error) {
	return s.pages.Request(auth.FromContext(ctx).Subject, req)
}

// view returns the caller's view of the endpoints of a workspace.
func view(ctx context.Context, workspace string) viewer {
	p := auth.FromContext(ctx)
	return viewer{secrets: p.SuperAdmin() || p.Holds(roleOwner, workspace)}
}

// at adds the field to an error of a parser of package endpoint. The parsers' errors are constant
// strings that say what the field must be.
func at(field string, err error) error { return fault.Field(field, err.Error()) }
