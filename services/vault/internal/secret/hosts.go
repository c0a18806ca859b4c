package secret

import (
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// # The hosts of a version
//
// The hosts that a CREDENTIAL may be sent to belong to a version. Otherwise an owner, who cannot
// read the value, could have it sent to a host of their own. So an owner adds a host only with a
// new value, and a restored version has the hosts it had before. Only a super admin can add a
// host to the current version. Anyone who may update the secret can remove hosts.
//
// Secret.AllowedHosts are those of the current version. Versions that were stored before
// hosts belonged to versions have the hosts that the secret had when they were first changed
// after that, Secret.EarlierHosts.

// hostsOf returns the hosts of a version.
func (s Secret) hostsOf(v Version) []string {
	switch {
	case v.AllowedHosts != nil:
		return v.AllowedHosts
	case s.EarlierHosts != nil:
		return s.EarlierHosts
	default:
		return s.AllowedHosts
	}
}

// rehost returns the secret with other hosts, for the current version or the one that the
// change adds.
func (c Change) rehost(r kv.Reader, before, after Secret) (Secret, error) {
	hosts := *c.AllowedHosts
	if err := checkHosts(after.Usage, hosts); err != nil {
		return Secret{}, err
	}
	added := slices.ContainsFunc(hosts, func(host string) bool { return !slices.Contains(before.AllowedHosts, host) })
	if added && !c.Value.present() && !c.Admin {
		return Secret{}, fault.Field("secret.allowed_hosts", "must name no other host unless the update carries a value: hosts belong to a version")
	}
	if !c.KeepCurrent {
		if err := checkHostsInUse(r, before, hosts); err != nil {
			return Secret{}, err
		}
	}
	return after.withHosts(hosts), nil
}

// withHosts returns the secret with other hosts of the current version, and remembers those
// of versions that have none of their own.
func (s Secret) withHosts(hosts []string) Secret {
	if s.EarlierHosts == nil {
		s.EarlierHosts = s.AllowedHosts
	}
	s.AllowedHosts = hosts
	return s
}

// keepHosts writes the hosts of the current version into it after they were changed.
func keepHosts(tx kv.Tx, before, after Secret) error {
	if slices.Equal(before.AllowedHosts, after.AllowedHosts) {
		return nil
	}
	v, err := loadVersion(tx, after, after.Current)
	if err != nil {
		return err
	}
	v.AllowedHosts = after.AllowedHosts
	if _, err := put(tx, versionKey(after.UID, v.Number), v); err != nil {
		return fmt.Errorf("write version: %w", err)
	}
	return nil
}
