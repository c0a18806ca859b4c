package secret

import (
	"errors"
	"strconv"
	"strings"

	"github.com/keyward/keyward/pkg/resource"
)

const (
	collection = "secrets"
	versions   = "/versions/"
)

// The errors of malformed names. They are constants: an error never repeats input.
var (
	errName     = errors.New("must be workspaces/{workspace}/secrets/{secret}")
	errVersion  = errors.New("must be workspaces/{workspace}/secrets/{secret}/versions/{version}")
	errReferrer = errors.New("must be a resource name in the secret's workspace, such as workspaces/{workspace}/endpoints/{endpoint}")
)

// A Name is the name of a secret. Both parts are well-formed IDs.
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

// A VersionName is the name of a version of a secret.
type VersionName struct {
	Name

	Number uint32
}

// ParseVersionName parses `workspaces/{workspace}/secrets/{secret}/versions/{version}`. The
// version is a decimal number of at least 1, without leading zeros or a sign.
func ParseVersionName(text string) (VersionName, error) {
	of, digits, found := strings.Cut(text, versions)
	name, err := ParseName(of)
	if !found || err != nil {
		return VersionName{}, errVersion
	}
	number, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || digits[0] == '0' { // ParseUint accepts leading zeros
		return VersionName{}, errVersion
	}
	return VersionName{Name: name, Number: uint32(number)}, nil
}

// Version returns the name of a version of the secret.
func (n Name) Version(number uint32) VersionName { return VersionName{Name: n, Number: number} }

// String returns the resource name.
func (n VersionName) String() string {
	return n.Name.String() + versions + strconv.FormatUint(uint64(n.Number), 10)
}

// ParseNameOrAny parses a name whose secret may be [resource.Any].
func ParseNameOrAny(text string) (Name, error) {
	workspace, id, ok := resource.CutAny(text, collection)
	if !ok {
		return Name{}, errName
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// NewName combines a parsed workspace with an ID, which it parses.
func NewName(workspace, id string) (Name, error) {
	if !resource.ValidID(id) {
		return Name{}, resource.ErrID
	}
	return Name{Workspace: workspace, ID: id}, nil
}

// ParseReferrer parses the name of a resource that refers to a secret of the workspace.
func ParseReferrer(workspace, text string) (string, error) {
	segments, ok := resource.Segments(text)
	if !ok || len(segments) < 4 || segments[1] != workspace {
		return "", errReferrer
	}
	return text, nil
}

// String returns the resource name.
func (n Name) String() string { return string(AppendName(make([]byte, 0, usualName), n)) }

// usualName is more than the length of most resource names.
const usualName = 128

// AppendName appends the resource name of a secret.
func AppendName(to []byte, n Name) []byte {
	to = append(append(to, resource.WorkspaceName("")...), n.Workspace...)
	return append(append(to, "/"+collection+"/"...), n.ID...)
}
