// Package api is the vault's gRPC face. A handler parses its request, makes one
// call to package secret and converts the answer; it decides nothing else.
//
// The server's chain comes before: whoever gets here is authenticated and holds a
// role in the workspace, and the request has passed the rules that its messages
// declare. Errors are faults, which the chain turns into statuses.
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
)

// A Server answers the methods of VaultService.
type Server struct {
	vaultv1.UnimplementedVaultServiceServer

	secrets *secret.Store
	ledger  *replay.Ledger
	pages   *page.Sealer
	transit *transit.Sealer
}

// New returns a server over secrets. The ledger is the one that secrets looks
// repeated requests up in.
func New(secrets *secret.Store, ledger *replay.Ledger, pages *page.Sealer, recipients *transit.Sealer) *Server {
	return &Server{secrets: secrets, ledger: ledger, pages: pages, transit: recipients}
}

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { vaultv1.RegisterVaultServiceServer(r, s) }

// A change is a request that changes something.
type change interface {
	proto.Message
	GetRequestId() string
	GetReason() string
}

// call describes who asks for a change, and as which request. It comes before the
// value is taken out of the request, which zeroes it.
func (s *Server) call(ctx context.Context, method, workspace string, req change) (secret.Call, error) {
	caller := auth.FromContext(ctx).Subject
	request, err := s.ledger.Request(caller, method, req.GetRequestId(), withoutSealed(req))
	if err != nil {
		return secret.Call{}, err
	}
	author := server.Author(ctx, resource.WorkspaceName(workspace), req.GetReason())
	return secret.Call{Author: author, Request: request, RequestID: req.GetRequestId()}, nil
}

// page opens the page token of a list request. Seal makes the next one of a cursor.
func (s *Server) page(ctx context.Context, req page.ListRequest) (p secret.Page, seal func(cursor []byte) string, err error) {
	cursor, seal, err := s.pages.Request(auth.FromContext(ctx).Subject, req)
	return secret.Page{Cursor: cursor, Limit: page.Size(req.GetPageSize())}, seal, err
}

// at names the field that a parser of package secret refused. The parsers' errors
// are constant texts that say what the field must be.
func at(field string, err error) error {
	return fault.Field(field, err.Error()).Because(fmt.Errorf("parse request: %w", err))
}
