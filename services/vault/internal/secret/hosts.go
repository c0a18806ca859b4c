package secret

import (
	"slices"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// # The hosts of a version
//
// The hosts to which a CREDENTIAL may be sent belong to a version. Otherwise an owner, who cannot
// read the value, could have it sent to a host of their choice. An owner can therefore add a host
// only with a new value, and a restored version has the hosts that it had before. Only a super
// admin can add a host to the current version. Anyone who may update the secret can remove hosts.
//
// Secret.AllowedHosts are the hosts of the current version.
//
// # Ports
//
// A host without a port means port 443. Before ports were stored, it meant any port, so bindings
// of that time may use other ports. Such a binding has no port until the allowlist reports it by
// binding again (ports.go). The reported ports then belong to the hosts of all versions that were
// stored before ports were; every other port is refused. Reported ports are stored once, in
// Secret.UsedPorts, because a secret may have many versions.
//
// Hosts that a request sets after that are taken literally: their version has Version.Ports, and
// no report adds to it. A new value without hosts inherits the hosts of the current version, and
// whether they were set with ports.

// hostsOf returns the hosts of a version.
func (s Secret) hostsOf(v Version) []string {
	if v.Ports {
		return v.AllowedHosts
	}
	return s.withUsedPorts(v.AllowedHosts)
}

// withUsedPorts adds the reported ports to hosts that were stored before ports were.
func (s Secret) withUsedPorts(hosts []string) []string {
	for _, used := range s.UsedPorts {
		to, err := destination.Parse(used)
		if err == nil && slices.Contains(hosts, to.Host) && !slices.Contains(hosts, used) {
			hosts = append(slices.Clip(hosts), used)
		}
	}
	return hosts
}

// checkHosts fails unless a CREDENTIAL has hosts and every other usage has none.
func checkHosts(usage Usage, hosts []string) error {
	switch {
	case usage == Credential && len(hosts) == 0:
		return fault.Field("secret.allowed_hosts", "must name the hosts to which a CREDENTIAL may be sent")
	case usage != Credential && len(hosts) > 0:
		return fault.Field("secret.allowed_hosts", "must be empty unless the usage is CREDENTIAL")
	}
	return nil
}

// rehost returns the secret with changed hosts, for the current version or for the version that
// the change adds.
func (c Change) rehost(r kv.Reader, before, after Secret) (Secret, error) {
	hosts := *c.AllowedHosts
	if slices.Equal(hosts, before.AllowedHosts) {
		return after, nil // unchanged hosts leave Ports unchanged
	}
	if err := checkHosts(after.Usage, hosts); err != nil {
		return Secret{}, err
	}
	added := slices.ContainsFunc(hosts, func(host string) bool { return !slices.Contains(before.AllowedHosts, host) })
	if added && !c.Value.present() && !c.Admin {
		return Secret{}, fault.Field("secret.allowed_hosts", "must not add a host or port, unless the update has a new value or a super admin makes it: hosts belong to a version")
	}
	if !c.KeepCurrent {
		if err := checkHostsInUse(r, before, hosts); err != nil {
			return Secret{}, err
		}
	}
	return after.withHosts(hosts, true), nil
}

// withHosts returns the secret with new hosts of the current version, and records whether they
// were set with ports.
func (s Secret) withHosts(hosts []string, ports bool) Secret {
	s.AllowedHosts, s.Ports = hosts, ports
	return s
}

// keepHosts stores changed hosts in the current version.
func keepHosts(tx *writes, before Secret, after *Secret) error {
	if slices.Equal(before.AllowedHosts, after.AllowedHosts) {
		return nil
	}
	v, err := loadVersion(tx, *after, after.Current)
	if err != nil {
		return err
	}
	v.AllowedHosts, v.Ports = after.AllowedHosts, after.Ports
	return rewriteVersion(tx, after, v)
}
