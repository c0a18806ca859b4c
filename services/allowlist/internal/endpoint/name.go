package endpoint

import (
	"errors"
	"regexp"
	"strings"
)

// Any is the id that stands for all endpoints of a workspace, in a history.
const Any = "-"

var (
	errName   = errors.New("must be workspaces/{workspace}/endpoints/{endpoint}")
	errParent = errors.New("must be workspaces/{workspace}")
	errID     = errors.New("must be 1-128 characters of A-Za-z0-9, -, _ and ., the first and the last alphanumeric")

	// idPattern is the rule for the ids of workspaces, endpoints and secrets.
	idPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$`)
)

// A Name is the resource name of an endpoint.
type Name struct {
	// Workspace is the bare id of the workspace.
	Workspace string
	// ID is the endpoint's id in it.
	ID string
}

// ParseName reads `workspaces/{workspace}/endpoints/{endpoint}`.
func ParseName(text string) (Name, error) {
	workspace, id, found := strings.Cut(strings.TrimPrefix(text, "workspaces/"), "/endpoints/")
	if !strings.HasPrefix(text, "workspaces/") || !found || !idPattern.MatchString(workspace) || !idPattern.MatchString(id) {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParsePattern reads a name whose endpoint may be `-` for all.
func ParsePattern(text string) (Name, error) {
	if parent, found := strings.CutSuffix(text, "/endpoints/"+Any); found {
		workspace, err := ParseParent(parent)
		if err != nil {
			return Name{}, errName
		}
		return Name{Workspace: workspace, ID: Any}, nil
	}
	return ParseName(text)
}

// ParseParent reads `workspaces/{workspace}` and returns the workspace's id.
func ParseParent(text string) (string, error) {
	workspace, found := strings.CutPrefix(text, "workspaces/")
	if !found || !idPattern.MatchString(workspace) {
		return "", errParent
	}
	return workspace, nil
}

// NewName returns the name of an endpoint in a workspace that was parsed before.
func NewName(workspace, id string) (Name, error) {
	if !idPattern.MatchString(id) {
		return Name{}, errID
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// Parent returns the resource name of the workspace.
func (n Name) Parent() string { return "workspaces/" + n.Workspace }

// String returns the resource name.
func (n Name) String() string { return n.Parent() + "/endpoints/" + n.ID }
