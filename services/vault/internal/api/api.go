// Package api implements the gRPC service of the vault. A handler parses its request, makes one
// call to package secret, and converts the result. It makes no other decisions.
//
// The server's interceptors run first: callers are authenticated and hold a role in the workspace,
// and the request satisfies the rules that its messages declare. Errors are faults, which the
// interceptors convert to statuses.
package api

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/page"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/transit"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/internal/witness"
)

// A Server implements VaultService.
type Server struct {
	vaultv1.UnimplementedVaultServiceServer

	secrets *secret.Store
	ledger  *replay.Ledger
	pages   *page.Sealer
	transit *transit.Sealer
	heads   *witness.Heads
}

// New returns a server over secrets. The ledger must be the one in which secrets looks up repeated
// requests.
func New(secrets *secret.Store, heads *witness.Heads, ledger *replay.Ledger, pages *page.Sealer, recipients *transit.Sealer) *Server {
	return &Server{secrets: secrets, heads: heads, ledger: ledger, pages: pages, transit: recipients}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { vaultv1.RegisterVaultServiceServer(r, s) }

// A change is a request that makes a change.
type change interface {
	proto.Message
	GetRequestId() string
	GetReason() string
}

// call describes the caller and the identity of a change request. Call it before taking the value
// out of the request, which zeroes the value.
func (s *Server) call(ctx context.Context, method, workspace string, req change) (secret.Call, error) {
	caller := auth.FromContext(ctx).Subject
	request, err := s.ledger.Request(caller, method, req.GetRequestId(), withoutSealed(req))
	if err != nil {
		return secret.Call{}, err
	}
	author := server.Author(ctx, resource.WorkspaceName(workspace), req.GetReason())
	return secret.Call{Author: author, Request: request, RequestID: req.GetRequestId()}, nil
}

// page opens the page token of a list request. Seal creates the next page token from a cursor.
func (s *Server) page(ctx context.Context, req page.ListRequest) (p secret.Page, seal func(cursor []byte) string, err error) {
	cursor, seal, err := s.pages.Request(auth.FromContext(ctx).Subject, req)
	return secret.Page{Cursor: cursor, Limit: page.Size(req.GetPageSize())}, seal, err
}

// at returns the violation of a field that a parser of package secret refused. The errors of the
// parsers are constant strings that state what the field must be.
func at(field string, err error) error {
	return fault.Field(field, err.Error()).Because(fmt.Errorf("parse request: %w", err))
}
