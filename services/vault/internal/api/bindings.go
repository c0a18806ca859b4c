package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/transit"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// ListSecretBindings returns a page of the bindings of a secret.
func (s *Server) ListSecretBindings(ctx context.Context, req *vaultv1.ListSecretBindingsRequest) (*vaultv1.ListSecretBindingsResponse, error) {
	name, err := secret.ParseNameOrAny(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	p, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	bindings, next, err := s.secrets.Bindings(ctx, name, p)
	if err != nil {
		return nil, err
	}
	return &vaultv1.ListSecretBindingsResponse{Bindings: each(bindings, bindingToProto), NextPageToken: seal(next)}, nil
}

// BindSecret binds a secret to the calling workload, and returns the metadata of a KEY.
func (s *Server) BindSecret(ctx context.Context, req *vaultv1.BindSecretRequest) (*vaultv1.BindSecretResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	bind, err := bindRequestFromProto(name.Workspace, req)
	if err != nil {
		return nil, err
	}
	holder, err := s.admitted(ctx)
	if err != nil {
		return nil, err
	}
	bound, meant, err := s.secrets.Bind(ctx, workloadCall(ctx, name), name, holder, bind)
	if err != nil {
		return nil, err
	}
	facts, err := keyFactsToProto(meant, len(req.GetKeyBytes()) > 0)
	if err != nil {
		return nil, err
	}
	res := &vaultv1.BindSecretResponse{
		Facts: facts, Shared: bound.Shared, VersionUid: bound.VersionUID, Position: positionToProto(meant.Position),
	}
	if !bind.Rehearse {
		res.Binding = bindingToProto(bound)
	}
	return res, nil
}

func bindRequestFromProto(workspace string, req *vaultv1.BindSecretRequest) (secret.BindRequest, error) {
	bind := secret.BindRequest{
		Usage: usageFromProto(req.GetUsage()), Host: req.GetHost(), Port: uint16(req.GetPort()),
		Operation: req.GetOperationId(), Version: req.GetVersion(),
		Purpose:  secret.NewPurpose(req.GetChains(), req.GetCost(), req.GetConflicting()),
		Restored: req.GetRestored(), Rehearse: req.GetValidateOnly(), Issue: req.GetIssue(),
	}
	if len(req.GetChains()) > 0 && bind.Usage != secret.Key {
		return secret.BindRequest{}, fault.Field("chains", "must be empty unless the usage is KEY")
	}
	var err error
	if bind.Referrer, err = secret.ParseReferrer(workspace, req.GetReferrer()); err != nil {
		return secret.BindRequest{}, at("referrer", err)
	}
	switch {
	case bind.Issue && (bind.Host != "" || bind.Port != 0 || bind.Version != 0 || len(req.GetChains()) > 0):
		return secret.BindRequest{}, fault.Field("issue", "must be false with a host, a port, a version, or chains")
	case bind.Issue:
		return bind, nil
	case bind.Usage == secret.Credential && bind.Port == 0:
		return secret.BindRequest{}, fault.Field("port", "must be the port to which the CREDENTIAL is sent")
	case bind.Usage != secret.Credential && bind.Port != 0:
		return secret.BindRequest{}, fault.Field("port", "must be 0 unless the usage is CREDENTIAL")
	case bind.Usage != secret.Credential && bind.Host == "":
		return bind, nil
	case bind.Usage == secret.Parameter:
		return secret.BindRequest{}, fault.Field("host", "must be empty for a PARAMETER")
	}
	if _, err := destination.ParseHost(bind.Host); err != nil {
		return secret.BindRequest{}, at("host", err)
	}
	return bind, nil
}

// UnbindSecret removes a binding of the calling workload.
func (s *Server) UnbindSecret(ctx context.Context, req *vaultv1.UnbindSecretRequest) (*vaultv1.UnbindSecretResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	holder, err := s.admitted(ctx)
	if err != nil {
		return nil, err
	}
	err = s.secrets.Unbind(ctx, workloadCall(ctx, name), name, holder, req.GetOperationId())
	if err != nil {
		return nil, err
	}
	return &vaultv1.UnbindSecretResponse{}, nil
}

// ResolveSecret returns a value to a workload that is bound to it. A response that is not
// encrypted for a recipient shares the memory of the value, so it cannot be zeroed before it
// is sent.
func (s *Server) ResolveSecret(ctx context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	holder, err := s.admitted(ctx)
	if err != nil {
		return nil, err
	}
	var recipient *transit.Sealing
	if len(req.GetRecipient()) > 0 {
		if recipient, err = s.transit.For(req.GetRecipient()); err != nil {
			return nil, at("recipient", err)
		}
	}
	got, err := s.secrets.Resolve(ctx, workloadCall(ctx, name), holder, secret.Wanted{
		Name: name, UID: req.GetUid(), Number: req.GetVersion(), VersionUID: req.GetVersionUid(), Purpose: req.GetPurpose(), Seal: req.GetSeal(),
	})
	if err != nil {
		return nil, err
	}
	res := &vaultv1.ResolveSecretResponse{
		Version:      got.Version,
		Usage:        usageToProto(got.Usage),
		AllowedHosts: got.AllowedHosts,
		Position:     positionToProto(got.Position),
		Previous:     each(got.Previous, replacementToProto),
		Sealed:       got.Sealed,
	}
	if !got.Expires.IsZero() {
		res.ExpireTime, res.ReadTime = timestamppb.New(got.Expires), timestamppb.New(got.Time)
	}
	if recipient == nil {
		res.Value = got.Plain.Reveal()
		return res, nil
	}
	defer got.Plain.Zero()
	sealed := recipient.Seal(got.Plain.Reveal(), transit.Place{Name: req.GetName(), UID: req.GetUid(), Version: got.Version})
	res.SealedValue = &vaultv1.SealedForRecipient{EncapsulatedKey: sealed.EncapsulatedKey, Ciphertext: sealed.Ciphertext}
	return res, nil
}

// IssueSecretVersion stores a value that the partner of an endpoint issued.
func (s *Server) IssueSecretVersion(ctx context.Context, req *vaultv1.IssueSecretVersionRequest) (*vaultv1.IssueSecretVersionResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	holder, err := s.admitted(ctx)
	if err != nil {
		return nil, err
	}
	value, err := sealedFromProto(req.GetValue())
	if err != nil {
		return nil, err
	}
	call := workloadCall(ctx, name)
	call.RequestID = req.GetRequestId()
	call.Request, err = s.ledger.Request(holder, vaultv1.VaultService_IssueSecretVersion_FullMethodName, call.RequestID, withoutSealed(req))
	if err != nil {
		return nil, err
	}
	number, position, err := s.secrets.Issue(ctx, call, name, secret.Issuer{Holder: holder, Referrer: req.GetReferrer()}, value)
	if err != nil {
		return nil, err
	}
	return &vaultv1.IssueSecretVersionResponse{Version: number, Position: positionToProto(position)}, nil
}

// holder returns the name of the calling workload in bindings.
func holder(ctx context.Context) string { return auth.FromContext(ctx).Subject }

// admitted is holder for a call that is refused if the change log of the workload was rolled back.
func (s *Server) admitted(ctx context.Context) (string, error) {
	name := holder(ctx)
	return name, s.heads.Admit(name)
}

// workloadCall describes a change by a workload, which gives no reason, and whose retries are
// recognized by the operation ID instead of the request ID.
func workloadCall(ctx context.Context, name secret.Name) secret.Call {
	return secret.Call{Author: server.Author(ctx, resource.WorkspaceName(name.Workspace), "")}
}
