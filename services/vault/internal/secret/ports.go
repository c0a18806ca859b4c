package secret

import (
	"cmp"
	"slices"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/kv"
)

// portless reports whether the binding sends a credential to an unreported port.
func (b Binding) portless() bool { return b.Usage == Credential && b.Port == 0 && !b.onlyIssues() }

// destination returns the destination of a credential in the form of allowed hosts. A binding
// without a port counts as one to port 443.
func (b Binding) destination() string {
	return destination.Destination{Host: b.Host, Port: cmp.Or(b.Port, destination.HTTPS)}.String()
}

// reportPort writes the port of a binding that is older than the recording of ports, and adds it
// to the hosts of versions that are as old. It fails with HOST_NOT_ALLOWED if neither the current
// version nor one that the binding names may be sent there, because their hosts were changed
// since. For other bindings it does nothing.
func (s *Store) reportPort(tx *writes, call Call, sec *Secret, b *Binding, req BindRequest) error {
	if !b.portless() {
		return nil
	}
	lists, err := hostsInUse(tx, *sec, slices.Concat(b.Versions, []uint32{req.Version}))
	if err != nil {
		return err
	}
	to := req.destination().String()
	admits := func(l hostList) bool { return slices.Contains(l.hosts, to) }
	// The host was allowed before ports were stored, so all its ports were.
	opens := func(l hostList) bool { return !l.ports && !admits(l) && slices.Contains(l.hosts, req.Host) }
	opened := slices.IndexFunc(lists, opens)
	if opened < 0 && !slices.ContainsFunc(lists, admits) {
		return hostNotAllowed(to)
	}
	if err := countHost(tx, *b, false); err != nil {
		return err
	}
	b.Port = req.Port
	if err := countHost(tx, *b, true); err != nil || opened < 0 {
		return err
	}
	after := *sec
	after.Updated = later(sec.Updated, s.timestamp())
	after.UsedPorts = append(slices.Clone(sec.UsedPorts), to)
	if !after.Ports {
		after.AllowedHosts = after.withUsedPorts(sec.AllowedHosts)
	}
	*sec, err = s.save(tx, call, after, entry{
		action: Updated, version: lists[opened].version, fields: []string{FieldAllowedHosts}, detail: Detail{
			OldAllowedHosts: lists[opened].hosts, NewAllowedHosts: after.withUsedPorts(lists[opened].hosts),
			Referrers: []string{b.Referrer},
		},
	})
	return err
}

// A hostList is the hosts of a version, or of the current one if the number is 0.
type hostList struct {
	version uint32
	hosts   []string
	ports   bool
}

// hostsInUse returns the hosts of the current version, even if it is destroyed, and of the
// versions with the given numbers.
func hostsInUse(r kv.Reader, sec Secret, numbers []uint32) ([]hostList, error) {
	lists := []hostList{{hosts: sec.AllowedHosts, ports: sec.Ports}}
	for _, number := range numbers {
		if number == 0 {
			continue
		}
		v, err := loadVersion(r, sec, number)
		if err != nil {
			return nil, err
		}
		lists = append(lists, hostList{number, v.AllowedHosts, v.Ports})
	}
	return lists, nil
}
