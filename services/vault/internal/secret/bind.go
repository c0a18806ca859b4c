package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// maxNamed is how many versions a binding names, so that to give it up fits in one
// transaction.
const maxNamed = 16

// A BindRequest is what a binding is asked for.
type BindRequest struct {
	Usage Usage
	// Referrer is the resource that refers to the secret.
	Referrer string
	// Host is where a credential is sent, or that of the endpoint which uses a KEY.
	Host string
	// Port is the port that a credential is sent to.
	Port uint16
	// Operation names the save that needs the binding.
	Operation string
	// Version is the version that the referrer means, 0 being the current one.
	Version uint32
	// Purpose is what the referrer uses a KEY for. Its host is that of the use.
	Purpose Purpose
	// Rehearse is whether the use is only checked, and nothing is bound.
	Rehearse bool
}

// errRehearsed ends the transaction of a use that is only checked, so that nothing is written.
var errRehearsed = errors.New("rehearsed")

// Bind grants the holder to resolve a secret for a referrer, and keeps the secret
// from being deleted. Binding again under the same operation adds the version, if it is
// one that was not named yet, reports what bindings of earlier releases do not tell, and else
// changes nothing; it returns what there is.
//
// With the binding comes what is known of the version that is meant: one that is named
// must be enabled, while the current one may be in any state, as it is another one after
// the next rotation. The facts of a KEY come from the value, which is opened for this; nothing
// more than [Facts] is kept. If the use is only rehearsed, all is checked and counted the same,
// and nothing is bound. Bind fails with SECRET_NOT_FOUND, VERSION_NOT_FOUND, VERSION_DISABLED,
// VERSION_DESTROYED, USAGE_NOT_ALLOWED, HOST_NOT_ALLOWED,
// KEY_PURPOSE_FIXED, KEY_PURPOSE_UNKNOWN or KEY_NOT_SHARED.
func (s *Store) Bind(ctx context.Context, call Call, name Name, holder string, req BindRequest) (bound Binding, meant Meant, err error) {
	err = s.kv.Update(ctx, func(tx kv.Tx) error {
		if bound, meant, err = s.bind(tx, call, name, holder, req); err == nil && req.Rehearse {
			return errRehearsed
		}
		return err
	})
	if errors.Is(err, errRehearsed) {
		return Binding{Shared: bound.Shared}, meant, nil
	}
	return bound, meant, s.noteEqual(ctx, call, name, err)
}

// bind does in a transaction what [Store.Bind] promises.
func (s *Store) bind(tx kv.Tx, call Call, name Name, holder string, req BindRequest) (bound Binding, meant Meant, err error) {
	now := s.timestamp()
	sec, err := loadSecret(tx, name)
	if err != nil {
		return bound, meant, err
	}
	if err := req.allowedBy(sec); err != nil {
		return bound, meant, err
	}
	if meant.Version, err = req.meant(tx, sec); err != nil {
		return bound, meant, err
	}
	if meant.Learned, err = s.examine(tx, sec, &meant.Version); err != nil {
		return bound, meant, err
	}
	bound = Binding{Name: name, UID: sec.UID, Holder: holder, Operation: req.Operation}
	present, err := loadBinding(tx, &bound)
	if err != nil {
		return bound, meant, err
	}
	if bound.VersionUID, err = req.uidOf(tx, sec); err != nil {
		return bound, meant, err
	}
	if err := req.hostOf(sec, meant.Version, bound); err != nil {
		return bound, meant, err
	}
	bound.Shared = sec.Shared || sec.public(meant.Version)
	reports := present && len(bound.Purpose.Chains) == 0
	if err := req.claim(tx, sec, meant.Version, reports); err != nil {
		return bound, meant, err
	}
	if present {
		if err := req.sameAs(bound); err != nil || !req.adds(bound) {
			return bound, meant, err
		}
		if reports {
			bound.Purpose = req.purpose()
		}
		err = s.reportPort(tx, call, sec, &bound, req)
	} else {
		err = bound.begin(tx, req, now)
	}
	if err != nil {
		return bound, meant, err
	}
	return bound, meant, s.writeBinding(tx, call, sec, &bound, req.Version, now)
}

// begin fills in a binding that is new, and counts it.
func (b *Binding) begin(tx kv.Tx, req BindRequest, now time.Time) error {
	b.Usage, b.Referrer, b.Created = req.Usage, req.Referrer, now
	if b.Purpose = req.purpose(); req.Usage == Credential {
		b.Host, b.Port = req.Host, req.Port
	}
	return countBinding(tx, *b, true)
}

// writeBinding adds a version to a binding, and writes and logs it.
func (s *Store) writeBinding(tx kv.Tx, call Call, sec Secret, b *Binding, version uint32, now time.Time) error {
	if err := b.name(tx, version); err != nil {
		return err
	}
	state, err := put(tx, bindingKey(*b), *b)
	if err != nil {
		return fmt.Errorf("write binding: %w", err)
	}
	e := entry{action: Bound, at: now, version: version, detail: Detail{Referrers: []string{b.Referrer}}}
	return s.record(tx, call, sec, e, state)
}

// sameAs refuses an operation id that was used for another binding of the secret: the
// caller would rely on a grant that it does not have.
func (u BindRequest) sameAs(b Binding) error {
	if u.Referrer != b.Referrer || u.Usage == Credential && (u.Host != b.Host || u.Port != b.Port && !b.portless()) {
		return fault.Field("operation_id", "must not be that of a binding for another referrer, host or port")
	}
	if len(b.Purpose.Chains) > 0 && !slices.Equal(b.Purpose.Chains, u.Purpose.Chains) {
		return fault.Field("operation_id", "must not be that of a binding for another purpose")
	}
	return nil
}

// purpose returns the purpose that a binding of a KEY claims.
func (u BindRequest) purpose() Purpose {
	if u.Usage != Key {
		return Purpose{}
	}
	p := u.Purpose
	p.Host = u.Host
	return p
}

// adds reports whether the use tells a version, a purpose or a port that the binding does not
// have yet.
func (u BindRequest) adds(b Binding) bool {
	return u.Version != 0 && !slices.Contains(b.Versions, u.Version) || len(b.Purpose.Chains) == 0 && len(u.Purpose.Chains) > 0 || b.portless()
}

// name makes the binding name a version, unless that is 0.
func (b *Binding) name(tx kv.Tx, number uint32) error {
	if number == 0 || slices.Contains(b.Versions, number) {
		return nil
	}
	if len(b.Versions) == maxNamed {
		return fault.Field("version", "must not be another one after 16 of the same operation")
	}
	b.Versions = slices.Sorted(slices.Values(append(slices.Clone(b.Versions), number)))
	if _, err := addCount(tx, namedKey(b.UID, number), true); err != nil {
		return fmt.Errorf("count bindings to version: %w", err)
	}
	return nil
}

// Unbind gives up what the holder bound under an operation. It does nothing if
// there is no such binding, or no such secret.
func (s *Store) Unbind(ctx context.Context, call Call, name Name, holder, operation string) error {
	now := s.timestamp()
	return s.kv.Update(ctx, func(tx kv.Tx) error {
		sec, err := loadSecret(tx, name)
		if fault.Is(err, NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b := Binding{Name: name, UID: sec.UID, Holder: holder, Operation: operation}
		present, err := loadBinding(tx, &b)
		if err != nil || !present {
			return err
		}
		if err := tx.Delete(bindingKey(b)); err != nil {
			return fmt.Errorf("delete binding: %w", err)
		}
		if err := countBinding(tx, b, false); err != nil {
			return err
		}
		for _, number := range b.Versions {
			if _, err := addCount(tx, namedKey(b.UID, number), false); err != nil {
				return fmt.Errorf("count bindings to version: %w", err)
			}
		}
		e := entry{action: Unbound, at: now, detail: Detail{Referrers: []string{b.Referrer}}}
		return s.record(tx, call, sec, e, nil)
	})
}

// allowedBy fails if the secret does not permit the use.
func (u BindRequest) allowedBy(sec Secret) error {
	if u.Usage != sec.Usage {
		return fault.New(fault.FailedPrecondition, UsageNotAllowed, "the secret may not be used for this").
			With("usage", string(sec.Usage))
	}
	return nil
}

// destination returns where a credential is sent.
func (u BindRequest) destination() destination.Destination {
	return destination.Destination{Host: u.Host, Port: u.Port}
}

// hostOf fails if the version that is meant may not be sent to the host and port. Present is
// the binding if there is one already; [Store.reportPort] judges one without port.
func (u BindRequest) hostOf(sec Secret, meant Version, present Binding) error {
	hosts := sec.AllowedHosts // also while the current version is destroyed
	if u.Version != 0 {
		hosts = meant.AllowedHosts
	}
	if to := u.destination().String(); sec.Usage == Credential && !present.portless() && !slices.Contains(hosts, to) {
		return hostNotAllowed(to)
	}
	return nil
}

func hostNotAllowed(to string) error {
	return fault.New(fault.FailedPrecondition, HostNotAllowed,
		"the credential may not be sent to this host and port; add "+to+" to allowed_hosts with a new value, or have a super admin add it").
		With("host", to)
}

// meant returns the version that the use means.
func (u BindRequest) meant(r kv.Reader, sec Secret) (Version, error) {
	v, err := loadVersion(r, sec, cmp.Or(u.Version, sec.Current))
	if err == nil && u.Version != 0 {
		err = v.usable()
	}
	return v, err
}

// loadBinding completes a binding of which the key is known, if it is there.
func loadBinding(r kv.Reader, b *Binding) (present bool, err error) {
	stored, err := r.Get(bindingKey(*b))
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read binding: %w", err)
	}
	return true, decode(stored, b)
}

// countBinding keeps the counters that belong to a binding, when it comes or goes.
func countBinding(tx kv.Tx, b Binding, comes bool) error {
	mine, err := addCount(tx, referrerKey(b.UID, b.Referrer), comes)
	if err != nil {
		return fmt.Errorf("count bindings: %w", err)
	}
	if first, last := comes && mine == 1, !comes && mine == 0; first || last {
		if _, err := addCount(tx, referrerCountKey(b.UID), comes); err != nil {
			return fmt.Errorf("count referrers: %w", err)
		}
	}
	if b.Host == "" {
		return nil
	}
	return countHost(tx, b, comes)
}

// countHost keeps the counter of bindings to a host and port.
func countHost(tx kv.Tx, b Binding, comes bool) error {
	if _, err := addCount(tx, hostReferrerKey(b.UID, b.destination(), b.Referrer), comes); err != nil {
		return fmt.Errorf("count bindings to host: %w", err)
	}
	return nil
}

// checkHostsInUse fails with SECRET_IN_USE if a host and port is no longer among the allowed
// ones although a binding sends the credential there.
func checkHostsInUse(r kv.Reader, before Secret, allowed []string) error {
	using := make(map[string]bool)
	for _, host := range before.AllowedHosts {
		if slices.Contains(allowed, host) {
			continue
		}
		prefix := hostKey(before.UID, host)
		keys, err := scanKeys(r, kv.Prefix(prefix, MaxReferences))
		if err != nil {
			return fmt.Errorf("read bindings to host: %w", err)
		}
		for _, key := range keys {
			referrer, err := lastText(key, prefix)
			if err != nil {
				return fmt.Errorf("read bindings to host: %w", err)
			}
			using[referrer] = true
		}
	}
	if len(using) == 0 {
		return nil
	}
	return inUse(slices.Sorted(maps.Keys(using)), len(using))
}
