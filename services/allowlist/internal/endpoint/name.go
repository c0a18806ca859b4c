package endpoint

import (
	"errors"

	"github.com/keyward/keyward/pkg/resource"
)

const collection = "endpoints"

var errName = errors.New("must be workspaces/{workspace}/endpoints/{endpoint}")

// A Name is the resource name of an endpoint.
type Name struct {
	// Workspace is the ID of the workspace, without its collection.
	Workspace string
	// ID is the endpoint's ID in the workspace.
	ID string
}

// ParseName parses `workspaces/{workspace}/endpoints/{endpoint}`.
func ParseName(text string) (Name, error) {
	workspace, id, ok := resource.Cut(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParsePattern parses a name whose endpoint may be [resource.Any], for all endpoints.
func ParsePattern(text string) (Name, error) {
	workspace, id, ok := resource.CutAny(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// NewName returns the name of an endpoint in a workspace whose ID is already parsed.
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
