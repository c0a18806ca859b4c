package endpoint

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// # Keys and senders
//
// A sender of one endpoint of a KEY can decrypt captured messages of any other endpoint with the
// same KEY. So all endpoints of a KEY that is not shared have the same senders. A save that would
// break this is refused. A policy can break it later: that is reported (senders.go), but no
// message is refused, since one more sender of one endpoint must not stop the others.

// A sharing records which endpoints use which KEY secrets. It is updated like the matcher.
type sharing struct {
	mu   sync.Mutex
	keys map[Name][]string
	uses map[string]map[Name]bool
}

func newSharing() *sharing {
	return &sharing{keys: make(map[Name][]string), uses: make(map[string]map[Name]bool)}
}

// set updates the entry of an endpoint, or deletes it if e is nil.
func (s *sharing) set(name Name, e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.keys[name] {
		if delete(s.uses[secret], name); len(s.uses[secret]) == 0 {
			delete(s.uses, secret)
		}
	}
	delete(s.keys, name)
	if e == nil {
		return
	}
	for _, ref := range e.References {
		if !ref.key() {
			continue
		}
		s.keys[name] = append(s.keys[name], ref.Secret)
		if s.uses[ref.Secret] == nil {
			s.uses[ref.Secret] = make(map[Name]bool)
		}
		s.uses[ref.Secret][name] = true
	}
}

// others returns the endpoints other than the named one that use a KEY.
func (s *sharing) others(secret string, name Name) []Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	var others []Name
	for other := range s.uses[secret] {
		if other != name {
			others = append(others, other)
		}
	}
	return others
}

// shared returns the KEY secrets that several endpoints use, with these endpoints.
func (s *sharing) shared() map[string][]Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[string][]Name)
	for secret, uses := range s.uses {
		if len(uses) > 1 {
			found[secret] = slices.SortedFunc(maps.Keys(uses), func(a, b Name) int { return cmp.Compare(a.String(), b.String()) })
		}
	}
	return found
}

// sameSenders fails, with all violations, if another endpoint with other senders uses a KEY of a
// save and the KEY is not shared.
func (r *Registry) sameSenders(s saving, bound map[Need]vaultclient.Binding) error {
	var wrong []error
	for need, b := range bound {
		if !need.key() || b.Shared || r.senders == nil {
			continue
		}
		mine := r.senders(s.name)
		for _, other := range r.sharing.others(need.Secret, s.name) {
			if !slices.Equal(mine, r.senders(other)) {
				wrong = append(wrong, placed(otherSenders(), need, s.call.Places))
				break
			}
		}
	}
	return violation.Merge(wrong...)
}

func otherSenders() error {
	return fault.New(fault.FailedPrecondition, vaultclient.ReasonKeyNotShared,
		"a referenced key serves endpoints that have other senders; store another key, or ask a super admin to share this one")
}
