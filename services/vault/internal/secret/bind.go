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
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// maxNamed is the maximum number of versions that a binding names, so that removing the binding
// fits in one transaction.
const maxNamed = 16

// A BindRequest is a request for a binding.
type BindRequest struct {
	Usage Usage
	// Referrer is the resource that refers to the secret.
	Referrer string
	// Host is the host to which a credential is sent, or the host of the endpoint that uses a KEY.
	Host string
	// Port is the port to which a credential is sent.
	Port uint16
	// Operation is the ID of the save that needs the binding.
	Operation string
	// Version is the version that the referrer pins, or 0 for the current one.
	Version uint32
	// Purpose is the purpose for which the referrer uses a KEY. Its host is Host.
	Purpose Purpose
	// Issue is whether the referrer issues versions of the secret. The usage then has no meaning, and the
	// request has no host, version, or purpose.
	Issue bool
	// Restored is whether the referrer held the binding before the vault was restored.
	Restored bool
	// Rehearse checks the request without binding the secret.
	Rehearse bool
}

// errRehearsed ends the transaction of a request that is only checked, so that nothing is written.
var errRehearsed = errors.New("rehearsed")

// Bind allows the holder to resolve a secret for a referrer, and prevents the deletion of the
// secret. Binding again under the same operation adds the version if the binding does not name it
// yet, adds the metadata that bindings of earlier releases lack, and otherwise changes nothing.
// Bind returns the stored binding.
//
// Bind also returns the metadata of the requested version. A pinned version must be enabled. The
// current version may be in any state, because the next rotation replaces it. The facts of a KEY
// come from its value, which Bind decrypts; only [Facts] are stored. A rehearsal is checked and
// counted like any other request, but binds nothing. Bind fails with SECRET_NOT_FOUND,
// SECRET_EXPIRED, VERSION_NOT_FOUND, VERSION_DISABLED, VERSION_DESTROYED, USAGE_NOT_ALLOWED, HOST_NOT_ALLOWED,
// KEY_PURPOSE_FIXED, KEY_PURPOSE_UNKNOWN, KEY_NOT_SHARED, ISSUER_NOT_ALLOWED, or RESTORE_PENDING.
func (s *Store) Bind(ctx context.Context, call Call, name Name, holder string, req BindRequest) (bound Binding, meant Meant, err error) {
	err = s.write(ctx, func(tx *writes) error {
		if bound, meant, err = s.bind(tx, call, name, holder, req); err == nil && req.Rehearse {
			return errRehearsed
		}
		return err
	})
	if errors.Is(err, errRehearsed) {
		return Binding{Shared: bound.Shared}, meant, nil
	}
	return bound, meant, s.deleteReason(ctx, name, "", s.noteEqual(ctx, call, name, err))
}

// bind is the transaction of [Store.Bind].
func (s *Store) bind(tx *writes, call Call, name Name, holder string, req BindRequest) (bound Binding, meant Meant, err error) {
	now := s.timestamp()
	if meant.Position, err = s.position(tx); err != nil {
		return bound, meant, err
	}
	sec, err := loadIntact(tx, name)
	if err != nil {
		return bound, meant, err
	}
	if err := req.allowedBy(sec); err != nil {
		return bound, meant, err
	}
	req.Usage = sec.Usage
	// A binding that a referrer held before a restore protects the secret from deletion, although it has expired.
	if err := sec.unexpired(now); err != nil && !req.Restored {
		return bound, meant, err
	}
	if err := sec.countsBindings(tx); err != nil {
		return bound, meant, err
	}
	tracked, err := sec.trackDeferred(tx)
	if err != nil {
		return bound, meant, err
	}
	if meant.Version, err = req.meant(tx, s, sec); err != nil {
		return bound, meant, err
	}
	var learned bool // fingerprints that the release that stored the version did not know
	if meant.Learned, learned, err = s.examine(tx, &sec, &meant.Version); err != nil {
		return bound, meant, err
	}
	bound = Binding{Name: name, UID: sec.UID, Holder: holder, Operation: req.Operation}
	present, err := loadBinding(tx, &bound)
	if err != nil {
		return bound, meant, err
	}
	if req.Version != 0 {
		bound.VersionUID = meant.uid()
	}
	if err := req.hostOf(sec, meant.Version, bound); err != nil {
		return bound, meant, err
	}
	bound.Shared = sec.Shared || sec.public(meant.Version)
	reports := present && len(bound.Purpose.Chains) == 0
	if !req.Issue {
		err = req.claim(tx, sec, meant.Version, reports)
	}
	if err != nil {
		return bound, meant, err
	}
	if present {
		if err := req.sameAs(bound); err != nil || !req.adds(bound) && !tracked && !learned {
			return bound, meant, err
		}
		if err := req.held(tx); err != nil {
			return bound, meant, err
		}
		bound.Issue = bound.Issue || req.Issue
		if reports {
			bound.Purpose = req.purpose()
		}
		err = s.reportPort(tx, call, &sec, &bound, req)
	} else if err = req.held(tx); err == nil {
		err = bound.begin(tx, &sec, req, now)
	}
	if err != nil {
		return bound, meant, err
	}
	err = s.writeBinding(tx, call, sec, &bound, req.Version, now)
	return bound, meant, err
}

// held fails with RESTORE_PENDING while changes are held after a restore, unless the referrer held the
// binding before. A rollback may have lost purposes and bindings with which the request would not agree.
func (u BindRequest) held(r kv.Reader) error {
	if u.Restored {
		return nil
	}
	return restore.Held(r)
}

// begin fills in a new binding and counts it.
func (b *Binding) begin(tx *writes, sec *Secret, req BindRequest, now time.Time) error {
	b.Usage, b.Referrer, b.Created, b.Issue = req.Usage, req.Referrer, now, req.Issue
	if b.Purpose = req.purpose(); req.Usage == Credential {
		b.Host, b.Port = req.Host, req.Port
	}
	return countBinding(tx, sec, *b, true)
}

// writeBinding adds a version to a binding, and writes and logs it.
func (s *Store) writeBinding(tx *writes, call Call, sec Secret, b *Binding, version uint32, now time.Time) error {
	if err := b.name(tx, version); err != nil {
		return err
	}
	if err := putBinding(tx, *b); err != nil {
		return err
	}
	return s.touch(tx, call, &sec, entry{action: Bound, at: now, version: version, detail: Detail{Referrers: []string{b.Referrer}}})
}

// sameAs fails if the operation ID belongs to another binding of the secret. The caller would
// otherwise rely on a grant that it does not have.
func (u BindRequest) sameAs(b Binding) error {
	if u.Referrer != b.Referrer || !u.Issue && u.Usage == Credential && (u.Host != b.Host || u.Port != b.Port && !b.portless()) {
		return fault.Field("operation_id", "must not be the ID of a binding for another referrer, host, or port")
	}
	if !u.Issue && len(b.Purpose.Chains) > 0 && !slices.Equal(b.Purpose.Chains, u.Purpose.Chains) {
		return fault.Field("operation_id", "must not be the ID of a binding for another purpose")
	}
	return nil
}

// purpose returns the purpose that a binding of a KEY claims.
func (u BindRequest) purpose() Purpose {
	if u.Usage != Key || u.Issue {
		return Purpose{}
	}
	p := u.Purpose
	p.Host = u.Host
	return p
}

// adds reports whether the request has a version, purpose, or port that the binding lacks.
func (u BindRequest) adds(b Binding) bool {
	return u.Version != 0 && !slices.Contains(b.Versions, u.Version) || len(b.Purpose.Chains) == 0 && len(u.Purpose.Chains) > 0 || b.portless() || u.Issue && !b.Issue
}

// name adds a version to those that the binding names, unless the number is 0.
func (b *Binding) name(tx *writes, number uint32) error {
	if number == 0 || slices.Contains(b.Versions, number) {
		return nil
	}
	if len(b.Versions) == maxNamed {
		return fault.Field("version", "must be one of the 16 versions that the operation already names")
	}
	b.Versions = slices.Sorted(slices.Values(append(slices.Clone(b.Versions), number)))
	if _, err := addCount(tx, pinnedRow(b.Name, b.UID, number), true); err != nil {
		return fmt.Errorf("count bindings to version: %w", err)
	}
	return nil
}

// Unbind removes the binding of the holder under an operation. It does nothing if the binding or
// the secret does not exist.
func (s *Store) Unbind(ctx context.Context, call Call, name Name, holder, operation string) error {
	now := s.timestamp()
	return s.write(ctx, func(tx *writes) error {
		sec, err := loadIntact(tx, name)
		if fault.Is(err, NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := sec.countsBindings(tx); err != nil {
			return err
		}
		b := Binding{Name: name, UID: sec.UID, Holder: holder, Operation: operation}
		present, err := loadBinding(tx, &b)
		if err != nil || !present {
			return err
		}
		if err := removeBinding(tx, &sec, b); err != nil {
			return err
		}
		return s.touch(tx, call, &sec, entry{action: Unbound, at: now, detail: Detail{Referrers: []string{b.Referrer}}})
	})
}

// removeBinding deletes the rows of a binding. The secret's row must be written, too.
func removeBinding(tx *writes, sec *Secret, b Binding) error {
	if err := tx.delete(bindingRow(b)); err != nil {
		return fmt.Errorf("delete binding: %w", err)
	}
	if err := countBinding(tx, sec, b, false); err != nil {
		return err
	}
	for _, number := range b.Versions {
		if _, err := addCount(tx, pinnedRow(b.Name, b.UID, number), false); err != nil {
			return fmt.Errorf("count bindings to version: %w", err)
		}
	}
	return nil
}

// allowedBy fails if the secret does not permit the requested usage.
func (u BindRequest) allowedBy(sec Secret) error {
	if u.Issue {
		return sec.issuedBy(u.Referrer)
	}
	if u.Usage != sec.Usage {
		return fault.New(fault.FailedPrecondition, UsageNotAllowed, "the secret has another usage").
			With("usage", string(sec.Usage))
	}
	return nil
}

// destination returns the host and port to which a credential is sent.
func (u BindRequest) destination() destination.Destination {
	return destination.Destination{Host: u.Host, Port: u.Port}
}

// hostOf fails if the requested version may not be sent to the host and port. Present is the
// existing binding, if any; [Store.reportPort] checks one without a port.
func (u BindRequest) hostOf(sec Secret, meant Version, present Binding) error {
	hosts := sec.AllowedHosts // even if the current version is destroyed
	if u.Version != 0 {
		hosts = meant.AllowedHosts
	}
	if to := u.destination().String(); !u.Issue && sec.Usage == Credential && !present.portless() && !slices.Contains(hosts, to) {
		return hostNotAllowed(to)
	}
	return nil
}

func hostNotAllowed(to string) error {
	return fault.New(fault.FailedPrecondition, HostNotAllowed,
		"the credential may not be sent to this host and port; add "+to+" to allowed_hosts with a new value, or ask a super admin to add it").
		With("host", to)
}

// meant returns the version that the request means.
func (u BindRequest) meant(r kv.Reader, s *Store, sec Secret) (Version, error) {
	v, err := s.loadVersion(r, sec, cmp.Or(u.Version, sec.Current))
	if err == nil && u.Version != 0 {
		err = v.usable()
	}
	return v, err
}

// loadBinding completes a binding, given the parts of its key, if it exists.
func loadBinding(r kv.Reader, b *Binding) (present bool, err error) {
	text, err := r.Get(bindingRow(*b).key)
	if isMissing(err) {
		return false, nil
	}
	if err == nil {
		err = b.parse(text)
	}
	return true, read("binding", err)
}

// countBinding updates the secret and the counters for a binding that is added or removed.
func countBinding(tx *writes, sec *Secret, b Binding, comes bool) error {
	mine, err := addCount(tx, referrerRow(b), comes)
	if err != nil {
		return fmt.Errorf("count bindings: %w", err)
	}
	switch {
	case comes && mine == 1:
		sec.References++
	case !comes && mine == 0 && sec.References == 0:
		return tampered("a binding has no reference")
	case !comes && mine == 0:
		sec.References--
	}
	if err := sec.countHolder(b.Holder, comes); err != nil {
		return err
	}
	if b.Host == "" {
		return nil
	}
	return countHost(tx, b, comes)
}

// countHost updates the counter of the bindings to a host and port.
func countHost(tx *writes, b Binding, comes bool) error {
	if _, err := addCount(tx, hostRow(b), comes); err != nil {
		return fmt.Errorf("count bindings to host: %w", err)
	}
	return nil
}

// checkHostsInUse fails with SECRET_IN_USE if a host and port to which a binding sends the
// credential is no longer allowed. It fails with RESTORE_PENDING if one is no longer allowed while
// changes are held: a lost binding may send the credential there.
func checkHostsInUse(r kv.Reader, before Secret, allowed []string) error {
	removed := slices.DeleteFunc(slices.Clone(before.AllowedHosts), func(host string) bool { return slices.Contains(allowed, host) })
	if len(removed) == 0 {
		return nil
	}
	if err := restore.Held(r); err != nil {
		return err
	}
	using := make(map[string]bool)
	for _, host := range removed {
		prefix := hostKey(before.Name, before.UID, host)
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
