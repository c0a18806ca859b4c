// Package failpoint ends a program between two steps, as a crash does, to test that no order of
// steps loses data.
//
// Code calls [Hit] where a crash would be most harmful. Hit does nothing, and is not part of the
// programs, unless they are built with the tag failpoint. With the tag, the environment variable
// KEYWARD_FAILPOINT is the path of a file. Its content names a point, the number of hits until the
// program ends, and optionally a delay, after which it ends:
//
//	boltkv.committed 3
//	boltkv.written 17 400us
//
// The delay reaches places without a point, such as the middle of a commit of bbolt. The file is read
// at each hit, so it may change while the program runs; the count then begins again. If it is empty or
// does not exist, the program does not end.
//
// At the first hit of each point, and at the one that ends it, the program adds a line to the file with
// the suffix .hits: the name of the point, in the second case after an exclamation mark.
package failpoint

// A Point is a place in the code. It is a number, so that the names are not in the programs.
type Point int

// The points.
const (
	// The points of a store.

	// StorePrepared is before the changes of a group are written.
	StorePrepared Point = iota
	// StoreWritten is after the changes are in bbolt's transaction, before its commit.
	StoreWritten
	// StoreCommitted is after the commit is on disk, before readers see it.
	StoreCommitted
	// StorePublished is after readers see the changes, before they are acknowledged.
	StorePublished
	// StoreAcknowledged is after the changes are acknowledged.
	StoreAcknowledged
	// StoreCreated is after a new file is complete, before it gets its name.
	StoreCreated
	// StoreLinked is after a new file has its name, before the name is on disk.
	StoreLinked
	// StoreReauthenticated is after some rows got MACs of the newest root.
	StoreReauthenticated

	// PurgeReady is after no root page refers to what a purge erases, before it is erased.
	PurgeReady
	// PurgeErased is after a step of a purge.
	PurgeErased
	// PurgeSyncing is after a purge, before its zeros are on disk.
	PurgeSyncing

	// The points of a compaction and of an upgrade.

	// CompactCopied is after the new file is complete, before it replaces the old one.
	CompactCopied
	// CompactRenamed is after the new file replaced the old one, before the name is on disk.
	CompactRenamed
	// CompactErasing is after the new file is in use, before the old one is overwritten.
	CompactErasing
	// UpgradeFilling is before the new file gets its content.
	UpgradeFilling
	// UpgradeFilled is after the new file is complete.
	UpgradeFilled
	// UpgradeKept is after the old file has its second name.
	UpgradeKept
	// UpgradeRenamed is after the new file replaced the old one, before the name is on disk.
	UpgradeRenamed

	// The points of changes of a keyring.

	// KeyringSealed is after the provider wrapped a changed keyring, before it is stored.
	KeyringSealed
	// KeyringStored is after a changed keyring is stored, before it is used.
	KeyringStored
	// RotationStored is after a rotation is stored, before the change log uses the new key.
	RotationStored
	// RotationSigned is after the change log uses the new key, before rows use the new root.
	RotationSigned
	// RotationAuthenticated is after rows use the new root, before the service uses the new key.
	RotationAuthenticated
	// RetirementDue is after no row depends on an earlier root, before that is erased.
	RetirementDue
	// RetirementStored is after earlier roots are erased, before the store forgets them.
	RetirementStored
	// RetirementForgotten is after the store forgot earlier roots, before the change log does.
	RetirementForgotten
	// DestructionCounted is after nothing depends on a key, before it is erased.
	DestructionCounted

	// The points of the operation that wraps all data keys again.

	// RewrapStarted is after the operation is stored, before it begins.
	RewrapStarted
	// RewrapStepped is after the data keys of some secrets are wrapped, before the progress changes.
	RewrapStepped
	// RewrapPassed is after a pass, before the versions are counted.
	RewrapPassed
	// RewrapCounted is after no version depends on an earlier key, before the operation ends.
	RewrapCounted

	// The points of a save of an endpoint.

	// SaveBegun is after the intent is stored, before the first binding.
	SaveBegun
	// SaveBound is after each binding.
	SaveBound
	// SaveFinished is after the endpoint is stored, before the caller knows it.
	SaveFinished
	// SaveCanceling is after a save failed, before its intent becomes an entry of the queue.
	SaveCanceling
	// UnbindBegun is before the bindings of an entry of the queue are given up.
	UnbindBegun
	// UnbindDone is after they are given up, before the entry is removed.
	UnbindDone
	// CompareBindings is after a comparison read the bindings, before it reads the endpoints.
	CompareBindings
	// CompareComplete is after a comparison in a restored vault, before the vault has the report.
	CompareComplete
	// CompareReported is after the vault has the report.
	CompareReported

	// The points of backups and restores.

	// BackupComplete is after a backup is on disk, before it gets its name.
	BackupComplete
	// BackupRenamed is after a backup has its name, before the name is on disk.
	BackupRenamed
	// BackupPruning is after a scheduled backup, before older ones are removed.
	BackupPruning
	// RestoreUnpacked is after the rows of a backup are in a new file, which is verified.
	RestoreUnpacked
	// RestoreMarked is after that file says that it was restored, before it is on disk.
	RestoreMarked
	// RestoreSynced is after that file is on disk, before it gets its name.
	RestoreSynced
	// RestoreLinked is after that file has its name, before the name is on disk.
	RestoreLinked
	// RestoreRecording is before the record of a restore changes.
	RestoreRecording
	// RestoreRecorded is after the record of a restore is stored, before the vault follows it.
	RestoreRecorded
)

// names are the names of the points.
var names = [...]string{
	StorePrepared:         "boltkv.prepared",
	StoreWritten:          "boltkv.written",
	StoreCommitted:        "boltkv.committed",
	StorePublished:        "boltkv.published",
	StoreAcknowledged:     "boltkv.acknowledged",
	StoreCreated:          "boltkv.created",
	StoreLinked:           "boltkv.linked",
	StoreReauthenticated:  "boltkv.reauthenticated",
	PurgeReady:            "purge.ready",
	PurgeErased:           "purge.erased",
	PurgeSyncing:          "purge.syncing",
	CompactCopied:         "compact.copied",
	CompactRenamed:        "compact.renamed",
	CompactErasing:        "compact.erasing",
	UpgradeFilling:        "upgrade.filling",
	UpgradeFilled:         "upgrade.filled",
	UpgradeKept:           "upgrade.kept",
	UpgradeRenamed:        "upgrade.renamed",
	KeyringSealed:         "keychange.sealed",
	KeyringStored:         "keychange.stored",
	RotationStored:        "rotation.stored",
	RotationSigned:        "rotation.signed",
	RotationAuthenticated: "rotation.authenticated",
	RetirementDue:         "retirement.due",
	RetirementStored:      "retirement.stored",
	RetirementForgotten:   "retirement.forgotten",
	DestructionCounted:    "destruction.counted",
	RewrapStarted:         "rewrap.started",
	RewrapStepped:         "rewrap.stepped",
	RewrapPassed:          "rewrap.passed",
	RewrapCounted:         "rewrap.counted",
	SaveBegun:             "save.begun",
	SaveBound:             "save.bound",
	SaveFinished:          "save.finished",
	SaveCanceling:         "save.canceling",
	UnbindBegun:           "unbind.begun",
	UnbindDone:            "unbind.done",
	CompareBindings:       "compare.bindings",
	CompareComplete:       "compare.complete",
	CompareReported:       "compare.reported",
	BackupComplete:        "backup.complete",
	BackupRenamed:         "backup.renamed",
	BackupPruning:         "backup.pruning",
	RestoreUnpacked:       "restore.unpacked",
	RestoreMarked:         "restore.marked",
	RestoreSynced:         "restore.synced",
	RestoreLinked:         "restore.linked",
	RestoreRecording:      "restore.recording",
	RestoreRecorded:       "restore.recorded",
}

// All returns all points.
func All() []Point {
	all := make([]Point, len(names))
	for i := range all {
		all[i] = Point(i)
	}
	return all
}

// String returns the name.
func (p Point) String() string { return names[p] }
