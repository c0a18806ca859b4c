package keyadmin

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/server"
	keyringv1 "github.com/keyward/keyward/proto/gen/keyward/keyring/v1"
)

// A Server answers the methods of a KeyringService. That of each service embeds it.
type Server struct {
	admin *Admin
	// rotate is the full name of the service's RotateKeyring.
	rotate string
}

// NewServer returns a server. The full name of the service's RotateKeyring is part of the identity of
// repeated requests.
func NewServer(admin *Admin, rotateMethod string) *Server { return &Server{admin, rotateMethod} }

// GetKeyring returns the keys.
func (s *Server) GetKeyring(context.Context, *keyringv1.GetKeyringRequest) (*keyringv1.GetKeyringResponse, error) {
	return &keyringv1.GetKeyringResponse{Keyring: s.keyring()}, nil
}

// RotateKeyring adds a key and a root.
func (s *Server) RotateKeyring(ctx context.Context, req *keyringv1.RotateKeyringRequest) (*keyringv1.RotateKeyringResponse, error) {
	call, err := s.call(ctx, req)
	if err == nil {
		err = s.admin.Rotate(ctx, call)
	}
	if err != nil {
		return nil, err
	}
	return &keyringv1.RotateKeyringResponse{Keyring: s.keyring()}, nil
}

// EnableKey lets a disabled key open again.
func (s *Server) EnableKey(ctx context.Context, req *keyringv1.EnableKeyRequest) (*keyringv1.EnableKeyResponse, error) {
	if err := s.admin.Enable(ctx, author(ctx, req), req.GetKeyId()); err != nil {
		return nil, err
	}
	return &keyringv1.EnableKeyResponse{Keyring: s.keyring()}, nil
}

// DisableKey stops the use of a key.
func (s *Server) DisableKey(ctx context.Context, req *keyringv1.DisableKeyRequest) (*keyringv1.DisableKeyResponse, error) {
	if err := s.admin.Disable(ctx, author(ctx, req), req.GetKeyId()); err != nil {
		return nil, err
	}
	return &keyringv1.DisableKeyResponse{Keyring: s.keyring()}, nil
}

// DestroyKey erases a key.
func (s *Server) DestroyKey(ctx context.Context, req *keyringv1.DestroyKeyRequest) (*keyringv1.DestroyKeyResponse, error) {
	if err := s.admin.Destroy(ctx, author(ctx, req), req.GetKeyId()); err != nil {
		return nil, err
	}
	return &keyringv1.DestroyKeyResponse{Keyring: s.keyring()}, nil
}

// ReplaceKeyProvider wraps the keyring by another provider.
func (s *Server) ReplaceKeyProvider(ctx context.Context, req *keyringv1.ReplaceKeyProviderRequest) (*keyringv1.ReplaceKeyProviderResponse, error) {
	if err := s.admin.ReplaceProvider(ctx, author(ctx, req), req.GetProvider()); err != nil {
		return nil, err
	}
	return &keyringv1.ReplaceKeyProviderResponse{Keyring: s.keyring()}, nil
}

// RewrapSecrets starts to wrap data keys under the primary key.
func (s *Server) RewrapSecrets(ctx context.Context, req *keyringv1.RewrapSecretsRequest) (*keyringv1.RewrapSecretsResponse, error) {
	run, err := s.admin.Values.Rewrap(ctx, author(ctx, req), req.GetRate())
	if err != nil {
		return nil, err
	}
	return &keyringv1.RewrapSecretsResponse{Rewrap: rewrapToProto(run)}, nil
}

// CancelRewrap cancels RewrapSecrets.
func (s *Server) CancelRewrap(ctx context.Context, req *keyringv1.CancelRewrapRequest) (*keyringv1.CancelRewrapResponse, error) {
	run, err := s.admin.Values.CancelRewrap(ctx, server.Author(ctx, req.GetParent(), ""))
	if err != nil {
		return nil, err
	}
	return &keyringv1.CancelRewrapResponse{Rewrap: rewrapToProto(run)}, nil
}

// A change is a request that makes a change.
type change interface {
	proto.Message
	GetParent() string
	GetReason() string
}

func author(ctx context.Context, req change) changelog.Author {
	return server.Author(ctx, req.GetParent(), req.GetReason())
}

// call describes the caller and the identity of a rotation.
func (s *Server) call(ctx context.Context, req *keyringv1.RotateKeyringRequest) (Call, error) {
	request, err := s.admin.Ledger.Request(auth.FromContext(ctx).Subject, s.rotate, req.GetRequestId(), req)
	return Call{Author: author(ctx, req), Request: request}, err
}

func (s *Server) keyring() *keyringv1.Keyring {
	k := s.admin.Keyring()
	pb := &keyringv1.Keyring{
		Provider: k.Provider, ConfiguredProviders: k.Configured, LogKey: k.LogKey, Rewrap: rewrapToProto(k.Rewrap), Counted: k.Counted,
	}
	for _, key := range k.Keys {
		pb.Keys = append(pb.Keys, &keyringv1.Key{
			Id: key.ID, Algorithm: keyring.Algorithm, State: stateToProto(key.State),
			CreateTime: timeToProto(key.Created), DestroyTime: timeToProto(key.Destroyed), VersionCount: k.Versions[key.ID],
		})
	}
	for i, root := range k.Roots {
		pb.Roots = append(pb.Roots, &keyringv1.Root{
			Generation: uint32(root.Generation), CreateTime: timeToProto(root.Created), Current: i == 0,
		})
	}
	return pb
}

func stateToProto(s keyring.KeyState) keyringv1.Key_State {
	return map[keyring.KeyState]keyringv1.Key_State{
		keyring.Primary:   keyringv1.Key_STATE_PRIMARY,
		keyring.Enabled:   keyringv1.Key_STATE_ENABLED,
		keyring.Disabled:  keyringv1.Key_STATE_DISABLED,
		keyring.Destroyed: keyringv1.Key_STATE_DESTROYED,
	}[s]
}

// rewrapToProto returns nil before the first run.
func rewrapToProto(r Rewrap) *keyringv1.Rewrap {
	if r.State == 0 {
		return nil
	}
	return &keyringv1.Rewrap{
		State: map[RewrapState]keyringv1.Rewrap_State{
			RewrapRunning:  keyringv1.Rewrap_STATE_RUNNING,
			RewrapDone:     keyringv1.Rewrap_STATE_DONE,
			RewrapCanceled: keyringv1.Rewrap_STATE_CANCELED,
			RewrapFailed:   keyringv1.Rewrap_STATE_FAILED,
		}[r.State],
		StartTime: timeToProto(r.Started), EndTime: timeToProto(r.Ended),
		DoneCount: r.Done, TotalCount: r.Total, RewrappedCount: r.Rewrapped, FailedCount: r.Failed, Rate: r.Rate,
	}
}

// timeToProto returns nil for the zero time.
func timeToProto(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
