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

// A Point is the name of a place in the code.
type Point string

// The points of a store.
const (
	// StorePrepared is before the changes of a group are written.
	StorePrepared Point = "boltkv.prepared"
	// StoreWritten is after the changes are in bbolt's transaction, before its commit.
	StoreWritten Point = "boltkv.written"
	// StoreCommitted is after the commit is on disk, before readers see it.
	StoreCommitted Point = "boltkv.committed"
	// StorePublished is after readers see the changes, before they are acknowledged.
	StorePublished Point = "boltkv.published"
	// StoreAcknowledged is after the changes are acknowledged.
	StoreAcknowledged Point = "boltkv.acknowledged"
	// StoreCreated is after a new file is complete, before it gets its name.
	StoreCreated Point = "boltkv.created"
	// StoreLinked is after a new file has its name, before the name is on disk.
	StoreLinked Point = "boltkv.linked"
	// StoreReauthenticated is after some rows got MACs of the newest root.
	StoreReauthenticated Point = "boltkv.reauthenticated"
)

// The points of a compaction and of an upgrade.
const (
	// CompactCopied is after the new file is complete, before it replaces the old one.
	CompactCopied Point = "compact.copied"
	// CompactRenamed is after the new file replaced the old one, before the name is on disk.
	CompactRenamed Point = "compact.renamed"
	// CompactErasing is after the new file is in use, before the old one is overwritten.
	CompactErasing Point = "compact.erasing"
	// UpgradeFilling is before the new file gets its content.
	UpgradeFilling Point = "upgrade.filling"
	// UpgradeFilled is after the new file is complete.
	UpgradeFilled Point = "upgrade.filled"
	// UpgradeKept is after the old file has its second name.
	UpgradeKept Point = "upgrade.kept"
	// UpgradeRenamed is after the new file replaced the old one, before the name is on disk.
	UpgradeRenamed Point = "upgrade.renamed"
)

// The points of changes of a keyring.
const (
	// KeyringSealed is after the provider wrapped a changed keyring, before it is stored.
	KeyringSealed Point = "keyring.sealed"
	// KeyringStored is after a changed keyring is stored, before it is used.
	KeyringStored Point = "keyring.stored"
	// RotationStored is after a rotation is stored, before the change log uses the new key.
	RotationStored Point = "rotation.stored"
	// RotationSigned is after the change log uses the new key, before rows use the new root.
	RotationSigned Point = "rotation.signed"
	// RotationAuthenticated is after rows use the new root, before the service uses the new key.
	RotationAuthenticated Point = "rotation.authenticated"
	// RetirementDue is after no row depends on an earlier root, before that is erased.
	RetirementDue Point = "retirement.due"
	// RetirementStored is after earlier roots are erased, before the store forgets them.
	RetirementStored Point = "retirement.stored"
	// RetirementForgotten is after the store forgot earlier roots, before the change log does.
	RetirementForgotten Point = "retirement.forgotten"
	// DestructionCounted is after nothing depends on a key, before it is erased.
	DestructionCounted Point = "destruction.counted"
)

// The points of the operation that wraps all data keys again.
const (
	// RewrapStarted is after the operation is stored, before it begins.
	RewrapStarted Point = "rewrap.started"
	// RewrapStepped is after the data keys of some secrets are wrapped, before the progress changes.
	RewrapStepped Point = "rewrap.stepped"
	// RewrapPassed is after a pass, before the versions are counted.
	RewrapPassed Point = "rewrap.passed"
	// RewrapCounted is after no version depends on an earlier key, before the operation ends.
	RewrapCounted Point = "rewrap.counted"
)

// The points of a save of an endpoint.
const (
	// SaveBegun is after the intent is stored, before the first binding.
	SaveBegun Point = "save.begun"
	// SaveBound is after each binding.
	SaveBound Point = "save.bound"
	// SaveFinished is after the endpoint is stored, before the caller knows it.
	SaveFinished Point = "save.finished"
	// SaveCanceling is after a save failed, before its intent becomes an entry of the queue.
	SaveCanceling Point = "save.canceling"
	// UnbindBegun is before the bindings of an entry of the queue are given up.
	UnbindBegun Point = "unbind.begun"
	// UnbindDone is after they are given up, before the entry is removed.
	UnbindDone Point = "unbind.done"
	// CompareBindings is after a comparison read the bindings, before it reads the endpoints.
	CompareBindings Point = "compare.bindings"
)

// All returns all points.
func All() []Point {
	return []Point{
		StorePrepared, StoreWritten, StoreCommitted, StorePublished, StoreAcknowledged, StoreCreated, StoreLinked, StoreReauthenticated,
		CompactCopied, CompactRenamed, CompactErasing, UpgradeFilling, UpgradeFilled, UpgradeKept, UpgradeRenamed,
		KeyringSealed, KeyringStored, RotationStored, RotationSigned, RotationAuthenticated,
		RetirementDue, RetirementStored, RetirementForgotten, DestructionCounted,
		RewrapStarted, RewrapStepped, RewrapPassed, RewrapCounted,
		SaveBegun, SaveBound, SaveFinished, SaveCanceling, UnbindBegun, UnbindDone, CompareBindings,
	}
}
