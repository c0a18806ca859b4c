package maintenance

import (
	"context"
	"io"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/server"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
)

// Operations are the operations on the data file of a service.
type Operations struct {
	// Backup writes a backup of the data file. The author is who requested it.
	Backup func(ctx context.Context, author changelog.Author, to io.Writer) error
	// Purge overwrites what was deleted before the call, and returns the number of bytes.
	Purge func(ctx context.Context) (erased uint64, err error)
}

// A Server answers the methods that the MaintenanceService of both services has. That of each service
// embeds it.
type Server struct{ operations Operations }

// NewServer returns a server.
func NewServer(operations Operations) *Server { return &Server{operations} }

// Backup streams a backup of the data file.
func (s *Server) Backup(req *maintenancev1.BackupRequest, to grpc.ServerStreamingServer[maintenancev1.BackupResponse]) error {
	ctx := to.Context()
	parts := &parts{ctx: ctx, send: to.Send}
	if err := s.operations.Backup(ctx, server.Author(ctx, req.GetParent(), ""), parts); err != nil {
		return err
	}
	return parts.flush()
}

// PurgeDeletedData overwrites what was deleted and is still in the data file.
func (s *Server) PurgeDeletedData(ctx context.Context, _ *maintenancev1.PurgeDeletedDataRequest) (*maintenancev1.PurgeDeletedDataResponse, error) {
	erased, err := s.operations.Purge(ctx)
	if err != nil {
		return nil, err
	}
	return &maintenancev1.PurgeDeletedDataResponse{ErasedBytes: erased}, nil
}
