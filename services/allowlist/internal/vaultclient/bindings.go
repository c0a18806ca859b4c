package vaultclient

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// bindingPage is the page size for lists of bindings.
const bindingPage = 1000

// Workspaces returns the workspaces whose secrets this allowlist may resolve, as
// `workspaces/{workspace}`. A vault of an earlier release returns an empty list.
func (v *Vault) Workspaces(ctx context.Context) ([]string, error) {
	return inOneRun(ctx, v, func() ([]string, error) { return v.listWorkspaces(ctx) })
}

func (v *Vault) listWorkspaces(ctx context.Context) (all []string, err error) {
	req := &vaultv1.ListWorkspacesRequest{PageSize: bindingPage}
	for {
		resp, err := v.workspaces(ctx, req)
		if status.Code(err) == codes.Unimplemented {
			return nil, nil
		}
		if err != nil {
			return nil, translate(ctx, "list workspaces", err)
		}
		for _, w := range resp.GetWorkspaces() {
			all = append(all, w.GetName())
		}
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all, nil
		}
	}
}

func (v *Vault) workspaces(ctx context.Context, req *vaultv1.ListWorkspacesRequest) (*vaultv1.ListWorkspacesResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	return v.client.ListWorkspaces(ctx, req)
}

// Bindings returns all bindings to the secrets of a workspace, `workspaces/{workspace}`, of all
// holders.
func (v *Vault) Bindings(ctx context.Context, workspace string) ([]Binding, error) {
	return v.BindingsOf(ctx, workspace+"/secrets/-")
}

// BindingsOf is [Vault.Bindings] for one secret, which must exist.
func (v *Vault) BindingsOf(ctx context.Context, secret string) ([]Binding, error) {
	return inOneRun(ctx, v, func() ([]Binding, error) { return v.listBindings(ctx, secret) })
}

func (v *Vault) listBindings(ctx context.Context, secret string) (all []Binding, err error) {
	req := &vaultv1.ListSecretBindingsRequest{Parent: secret, PageSize: bindingPage}
	for {
		resp, err := v.bindings(ctx, req)
		if err != nil {
			return nil, translate(ctx, "list bindings", err)
		}
		for _, b := range resp.GetBindings() {
			all = append(all, bindingFromProto(b))
		}
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all, nil
		}
	}
}

func (v *Vault) bindings(ctx context.Context, req *vaultv1.ListSecretBindingsRequest) (*vaultv1.ListSecretBindingsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	return v.client.ListSecretBindings(ctx, req)
}

func bindingFromProto(b *vaultv1.Binding) Binding {
	return Binding{
		Secret: b.GetSecret(), UID: b.GetUid(), Referrer: b.GetReferrer(), Operation: b.GetOperationId(), Holder: b.GetHolder(),
		Port: uint16(b.GetPort()),
	}
}
