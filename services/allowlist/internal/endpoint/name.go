package endpoint

import (
	"errors"

	"github.com/keyward/keyward/pkg/resource"
)

const collection = "endpoints"

var errName = errors.New("must be workspaces/{workspace}/endpoints/{endpoint}")

// A Name is the resource name of an endpoint.
type Name struct {
	// Workspace is the bare id of the workspace.
	Workspace string
	// ID is the endpoint's id in it.
	ID string
}

// ParseName reads `workspaces/{workspace}/endpoints/{endpoint}`.
func ParseName(text string) (Name, error) {
	workspace, id, ok := resource.Cut(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParsePattern reads a name whose endpoint may be [resource.Any] for all.
func ParsePattern(text string) (Name, error) {
	workspace, id, ok := resource.CutAny(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// NewName returns the name of an endpoint in a workspace that was parsed before.
func NewName(workspace, id string) (Name, error) {
	if !resource.ValidID(id) {
		return Name{}, resource.ErrID
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// Parent returns the resource name of the workspace.
func (n Name) Parent() string { return resource.WorkspaceName(n.Workspace) }

// String returns the resource name.
func (n Name) String() string { return n.Parent() + "/" + collection + "/" + n.ID }
