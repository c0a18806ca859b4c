package secret

import (
	"errors"

	"github.com/keyward/keyward/pkg/resource"
)

const collection = "secrets"

// What a malformed name is told. The texts are constants: input is never repeated.
var (
	errName     = errors.New("must be workspaces/{workspace}/secrets/{secret}")
	errReferrer = errors.New("must be a resource name in the secret's workspace, such as workspaces/{workspace}/endpoints/{endpoint}")
)

// A Name is the name of a secret. Both parts are well-formed ids.
type Name struct {
	Workspace, ID string
}

// ParseName parses `workspaces/{workspace}/secrets/{secret}`.
func ParseName(text string) (Name, error) {
	workspace, id, ok := resource.Cut(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParseHistoryName parses a name whose secret may be [resource.Any].
func ParseHistoryName(text string) (Name, error) {
	workspace, id, ok := resource.CutAny(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// NewName joins a workspace that was parsed and an id that was not yet.
func NewName(workspace, id string) (Name, error) {
	if !resource.ValidID(id) {
		return Name{}, resource.ErrID
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParseReferrer parses the name of a resource that refers to a secret of the
// workspace.
func ParseReferrer(workspace, text string) (string, error) {
	segments, ok := resource.Segments(text)
	if !ok || len(segments) < 4 || segments[1] != workspace {
		return "", errReferrer
	}
	return text, nil
}

// String returns the resource name.
func (n Name) String() string {
	return resource.WorkspaceName(n.Workspace) + "/" + collection + "/" + n.ID
}
