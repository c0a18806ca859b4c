// Package workspace lists workspaces and the number of resources in each.
//
// There is no record of a workspace: it exists as soon as it contains a resource or the policy
// names it. A list therefore merges the names in the policy ([Reach.Named]) with those in the keys
// of a store, and seeks from one workspace's keys to the next. It never reads all keys.
package workspace

import (
	"fmt"
	"iter"
	"slices"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/kv"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

const (
	// MaxCount is the number up to which the resources of a workspace are counted.
	MaxCount = 1000
	// maxCounted is the number of resources, deleted ones included, that a page counts before it ends
	// early, so that pages of many large workspaces remain fast.
	maxCounted = 20 * MaxCount
)

// A Workspace is an ID and the number of resources below it.
type Workspace struct {
	ID string
	// Count is at most MaxCount, and 0 if the contents are hidden.
	Count int
}

// A Reach is the set of workspaces that a caller may see.
type Reach struct {
	// Named are the IDs of workspaces that are listed even if they are empty, in order, each once.
	Named []string
	// Stored adds all workspaces that contain resources.
	Stored bool
	// Counted reports whether the contents of a workspace may be counted.
	Counted func(id string) bool
}

// ReachOf returns the reach of a caller. The roles are those that may list the contents of a
// workspace. Super admins may list all.
func ReachOf(p auth.Principal, roles ...accessv1.Role) Reach {
	named, everywhere := p.Workspaces()
	return Reach{Named: named, Stored: everywhere, Counted: func(id string) bool {
		return p.SuperAdmin() || slices.ContainsFunc(roles, func(role accessv1.Role) bool { return p.Holds(role, id) })
	}}
}

// List returns a page of at most limit workspaces within reach, and the cursor of the next page,
// which is nil only at the end. A page may be shorter than its limit. The keys of the resources are
// {space}/{workspace}/{id}. Other keys may extend them, also those of deleted resources.
func List(r kv.Reader, space kv.Key, reach Reach, cursor []byte, limit int) (page []Workspace, next []byte, err error) {
	examined, last := 0, ""
	for id, err := range reach.ids(r, space, string(cursor)) {
		if err != nil {
			return nil, nil, fmt.Errorf("list workspaces: %w", err)
		}
		if len(page) == limit || examined >= maxCounted {
			return page, []byte(last), nil
		}
		last = id
		counted := reach.Counted(id)
		countTo := 1
		if counted {
			countTo = MaxCount
		}
		resources, all, err := count(r, space.Text(id), countTo)
		if err != nil {
			return nil, nil, fmt.Errorf("count what is in a workspace: %w", err)
		}
		examined += all
		if _, named := slices.BinarySearch(reach.Named, id); resources == 0 && !named {
			continue // all its resources are deleted
		}
		found := Workspace{ID: id}
		if counted {
			found.Count = resources
		}
		page = append(page, found)
	}
	return page, nil, nil
}

// ids yields the IDs within reach after a given one, in order, each once.
func (reach Reach) ids(r kv.Reader, space kv.Key, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		first, found := slices.BinarySearch(reach.Named, after)
		if found {
			first++
		}
		named := reach.Named[first:]
		stored, err := reach.next(r, space, after)
		for err == nil && (len(named) > 0 || stored != "") {
			var id string
			if len(named) > 0 && (stored == "" || named[0] <= stored) {
				id, named = named[0], named[1:]
			} else {
				id = stored
			}
			if !yield(id, nil) {
				return
			}
			if id == stored {
				stored, err = reach.next(r, space, id)
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}

// next returns the first workspace after a given one that contains a resource, or contained one, or
// an empty ID.
func (reach Reach) next(r kv.Reader, space kv.Key, after string) (string, error) {
	if !reach.Stored {
		return "", nil
	}
	rest := kv.Prefix(space, 1)
	if after != "" {
		rest.Start = kv.After(space.Text(after))
	}
	for pair, err := range r.Scan(rest) {
		if err != nil {
			return "", err
		}
		id, _, err := kv.CutText(pair.Key[len(space):])
		return id, err
	}
	return "", nil
}

// resourceStrings is the number of strings in the key of a resource.
const resourceStrings = 3

// count counts the resources with keys that start with prefix, up to limit, and all whose keys it
// reads, up to maxCounted: those of deleted resources are counted, too.
func count(r kv.Reader, prefix kv.Key, limit int) (resources, all int, err error) {
	within := kv.Prefix(prefix, maxCounted)
	within.Group = resourceStrings
	for pair, err := range r.Scan(within) {
		if err != nil {
			return 0, 0, err
		}
		if all++; pair.Value != nil {
			resources++
		}
		if resources == limit {
			break
		}
	}
	return resources, all, nil
}
