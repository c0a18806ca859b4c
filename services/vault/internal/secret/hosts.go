package secret

import (
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/destination"
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
//
// # Ports
//
// A host without port stands for port 443. Before ports were kept, it stood for any port, so
// bindings of that time may use other ones. Such a binding tells no port until the allowlist
// reports it, by binding again (ports.go). The ports in use then belong to the hosts of all
// versions that were stored before ports were kept; every other port is refused. What a report
// adds is kept once, in Secret.UsedPorts, because a secret may have many versions.
//
// Hosts that a request names after that mean what they say: their version has Version.Ports,
// and no report adds to it. A new value without hosts takes over the hosts of the current
// version, and whether they were meant with ports.

// hostsOf returns the hosts of a version.
func (s Secret) hostsOf(v Version) []string {
	hosts := s.AllowedHosts
	switch {
	case v.AllowedHosts != nil:
		hosts = v.AllowedHosts
	case s.EarlierHosts != nil:
		hosts = s.EarlierHosts
	}
	if v.Ports {
		return hosts
	}
	return s.withUsedPorts(hosts)
}

// withUsedPorts returns hosts that were stored before ports were kept with the reported ports.
func (s Secret) withUsedPorts(hosts []string) []string {
	for _, used := range s.UsedPorts {
		to, err := destination.Parse(used)
		if err == nil && slices.Contains(hosts, to.Host) && !slices.Contains(hosts, used) {
			hosts = append(slices.Clip(hosts), used)
		}
	}
	return hosts
}

// checkHosts fails unless a credential has hosts and nothing else has.
func checkHosts(usage Usage, hosts []string) error {
	switch {
	case usage == Credential && len(hosts) == 0:
		return fault.Field("secret.allowed_hosts", "must name the hosts that a CREDENTIAL may be sent to")
	case usage != Credential && len(hosts) > 0:
		return fault.Field("secret.allowed_hosts", "must be empty unless the usage is CREDENTIAL")
	}
	return nil
}

// rehost returns the secret with other hosts, for the current version or the one that the
// change adds.
func (c Change) rehost(r kv.Reader, before, after Secret) (Secret, error) {
	hosts := *c.AllowedHosts
	if slices.Equal(hosts, before.AllowedHosts) {
		return after, nil // nothing was said about ports
	}
	if err := checkHosts(after.Usage, hosts); err != nil {
		return Secret{}, err
	}
	added := slices.ContainsFunc(hosts, func(host string) bool { return !slices.Contains(before.AllowedHosts, host) })
	if added && !c.Value.present() && !c.Admin {
		return Secret{}, fault.Field("secret.allowed_hosts", "must name no other host or port unless the update carries a value: hosts belong to a version")
	}
	if !c.KeepCurrent {
		if err := checkHostsInUse(r, before, hosts); err != nil {
			return Secret{}, err
		}
	}
	return after.withHosts(hosts, true), nil
}

// withHosts returns the secret with the hosts of the current version, and whether they are
// meant with ports, and remembers those of versions that have none of their own.
func (s Secret) withHosts(hosts []string, ports bool) Secret {
	if s.EarlierHosts == nil && !slices.Equal(s.AllowedHosts, hosts) {
		s.EarlierHosts = s.AllowedHosts
	}
	s.AllowedHosts, s.Ports = hosts, ports
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
	v.AllowedHosts, v.Ports = after.AllowedHosts, after.Ports
	if _, err := put(tx, versionKey(after.UID, v.Number), v); err != nil {
		return fmt.Errorf("write version: %w", err)
	}
	return nil
}
