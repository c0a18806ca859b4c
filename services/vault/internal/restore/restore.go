// Package restore keeps the last restore of the vault, and what follows from it.
//
// An earlier data file is consistent, and still wrong: bindings that were created after it are
// missing, so a secret that an endpoint needs looks unused, and the numbers of the versions that were
// added after it are free. So a restore is an event ([Events.Begin], [Events.Lost]). In one
// transaction with its entry in the change log, the event
//
//   - begins an epoch, in which all watchers start again,
//   - decides from which number the versions of older secrets go on ([Restore.Next]),
//   - and lists the resolvers that hold bindings. Until all of them have bound again what they need
//     ([Events.Reconciled]), or a super admin releases the vault ([Events.Release]), changes that
//     could hurt their endpoints are held ([Held]).
//
// # Heads that are lost
//
// A resolver that has seen a head of the vault's log reports it if the log does not extend it. The
// signature shows that it is a head of this vault, and of which epoch. A head of the present epoch was
// signed after the last restore, so the log has been rolled back since. So it has if the epoch is
// unknown: the data file is older than the restore that began it. Both are events, whatever the size.
// A head of an epoch that ended shows only what an event before has lost. It counts if it is larger
// than all heads that are known to be lost, begins no event, and raises the numbers of new versions.
// So a resolver cannot hold the vault with heads that it saved.
//
// Earlier releases signed heads without an epoch. Such a head counts only if it is larger than all that
// are known to be lost, and then begins an event unless the resolver has not reconciled since the last
// one, to which the head then belongs.
//
// # Numbers of versions
//
// A backup may be restored twice, and the second event knows nothing of the first. A count of restores
// in the data file would then repeat itself. So the lowest number of the next version comes from the
// clock: the number of minutes since 2026. Two restores of one backup therefore assign different
// numbers, unless a secret got more than one version a minute on average in between. The number is
// at least 1,000 above the last one in any case, for clocks that are wrong, and above the lowest one of the
// restore before, if the backup knows that.
package restore

import (
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/fault"
)

// ReasonPending is the reason for a change that is held after a restore.
const ReasonPending fault.Reason = "RESTORE_PENDING"

// Resource is the resource of the entries in the change log.
const Resource = "workspaces/-/vault/restore"

// The actions of the entries.
const (
	Restored   = "restored"
	FoundLost  = "restore_lost_checkpoint"
	Reconciled = "restore_reconciled"
	Released   = "restore_released"
)

const (
	// gap is the minimum distance of the next version of a secret from the last one.
	gap = 1000
	// maxLost is the maximum number of lost heads that are kept.
	maxLost = 10
	// maxEnded is the maximum number of epochs that are kept. Once it is reached, unknown epochs count
	// as ended.
	maxEnded = 100
	// maxResolvers is the maximum number of resolvers that are listed.
	maxResolvers = 1000
	// maxFirst limits what a wrong clock can do to the numbers of versions.
	maxFirst = 1 << 31
)

// A Restore is the last restore. The zero Restore means that the vault was never restored.
type Restore struct {
	Time   time.Time
	Epoch  string
	Reason string
	// Checkpoint is the signed head from which the log continues.
	Checkpoint string
	// Lost are the heads that are known to be lost, newest first.
	Lost []string
	// LargestLost is the number of entries of the largest head that was ever known to be lost.
	LargestLost uint64
	// Ended are the epochs that ended, newest first.
	Ended []string
	// Count is the number of restores, and of lost heads that were reported after one.
	Count uint32
	// FirstVersion is the lowest number of a version that is added to an older secret.
	FirstVersion uint32
	// Resolvers are those that held bindings.
	Resolvers []Resolver
	// Released is when a super admin released the vault, or zero.
	Released time.Time
	// LastChange is the sequence number of the newest entry.
	LastChange uint64
	Unknown    []byte
}

// A Resolver is a resolver that held bindings.
type Resolver struct {
	Name string
	// Reconciled is when it had bound again what it needs, or zero.
	Reconciled time.Time
}

// Missing returns the number of resolvers that have not reconciled.
func (r Restore) Missing() int {
	missing := 0
	for _, resolver := range r.Resolvers {
		if resolver.Reconciled.IsZero() {
			missing++
		}
	}
	return missing
}

// Pending reports whether changes are held.
func (r Restore) Pending() bool { return r.Released.IsZero() && r.Missing() > 0 }

// Held fails with RESTORE_PENDING while changes are held.
func (r Restore) Held() error {
	if !r.Pending() {
		return nil
	}
	return fault.New(fault.FailedPrecondition, ReasonPending,
		"the vault was restored, and resolvers have not reconciled yet; try again later, or ask a super admin to release the restore").
		With("resolvers", strconv.Itoa(r.Missing()))
}

// Next returns the number after that of the last version of a secret. Count is [Restore.Count] at the
// time when that was added.
func (r Restore) Next(last, count uint32) uint32 {
	if count >= r.Count {
		return last + 1
	}
	return max(last+gap+1, r.FirstVersion)
}

// beyond returns a number above those of the versions since a restore. A backup from between the restore and
// the first of them knows the restore, and not the versions.
func (r Restore) beyond() uint32 {
	if r.Count == 0 {
		return 0
	}
	return min(r.FirstVersion+gap, maxFirst)
}

// firstVersion returns the lowest number of versions after a restore at a time.
func firstVersion(at time.Time) uint32 {
	minutes := at.Sub(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) / time.Minute
	return uint32(min(max(minutes, 1), maxFirst))
}
