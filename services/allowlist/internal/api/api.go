// Package api is the allowlist's gRPC face. A handler parses its request, makes
// one call to package endpoint or exchange and converts the answer; it decides
// nothing else.
//
// The server's chain comes before: whoever gets here is authenticated and holds a
// role in the workspace, and the request has passed the rules that its messages
// declare. Errors are faults, which the chain turns into statuses.
//
// What is wrong with an endpoint that is to be saved does not end the request: it goes to
// the registry with what can be read ([endpoint.Call]), so that the answer names what is
// wrong with the secrets, too. Package finding puts all of it together.
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
)

// Parts are what a server puts together. All are required.
type Parts struct {
	Endpoints *endpoint.Registry
	Exchanges *exchange.Processor
	Uses      *activity.Meter
	Failures  *activity.Failures
	Presets   *preset.Library
	Tryouts   *tryout.Tester
	// Ledger is the one that Endpoints looks repeated requests up in.
	Ledger *replay.Ledger
	Pages  *page.Sealer
	Now    func() time.Time
}

// A Server answers the methods of AllowlistService.
type Server struct {
	allowlistv1.UnimplementedAllowlistServiceServer

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
		endpoints: p.Endpoints, exchanges: p.Exchanges, uses: p.Uses, failures: p.Failures, presets: p.Presets, tryouts: p.Tryouts,
		ledger: p.Ledger, pages: p.Pages, now: p.Now,
	}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	allowlistv1.RegisterAllowlistServiceServer(r, s)
}

// newCall describes the caller who changes something in a workspace. Everything that goes on the log
// gets its author here, so no reason that holds a secret gets there.
func newCall(ctx context.Context, workspace, reason string) (endpoint.Call, error) {
	if err := prose("reason", reason); err != nil {
		return endpoint.Call{}, err
	}
	return endpoint.Call{
		Author:     server.Author(ctx, "workspaces/"+workspace, reason),
		SuperAdmin: auth.FromContext(ctx).SuperAdmin(),
	}, nil
}

// once is by for a request that may be repeated under its id.
func (s *Server) once(ctx context.Context, method, workspace, reason, id string, req proto.Message) (endpoint.Call, error) {
	call, err := newCall(ctx, workspace, reason)
	if err != nil {
		return endpoint.Call{}, err
	}
	call.Request, err = s.ledger.Request(auth.FromContext(ctx).Subject, method, id, req)
	return call, err
}

// page opens the page token of a list request. Seal makes the next one of a cursor.
func (s *Server) page(ctx context.Context, req page.ListRequest) (cursor []byte, seal func([]byte) string, err error) {
	return s.pages.Request(auth.FromContext(ctx).Subject, req)
}

// view returns how the caller sees endpoints of a workspace.
func view(ctx context.Context, workspace string) viewer {
	p := auth.FromContext(ctx)
	return viewer{secrets: p.SuperAdmin() || p.Holds(roleOwner, workspace)}
}

// at names the field that a parser of package endpoint refused. The parsers'
// errors are constant texts that say what the field must be.
func at(field string, err error) error { return fault.Field(field, err.Error()) }
