package secret

import (
	"time"

	"github.com/keyward/keyward/pkg/kv"
)

// The key space. Everything that belongs to one incarnation of a name is stored under its uid.
//
//	secret/{workspace}/{id}              → Secret
//	by-update/{workspace}/{time}/{id}    → nothing; lists in order of update time
//	version/{uid}/{number}               → Version
//	value/{uid}/{number}                 → the sealed value; lists never read it
//	binding/{uid}/{holder}/{operation}   → Binding
//	referrer/{uid}/{referrer}            → number of the referrer's bindings
//	referrers/{uid}                      → number of distinct referrers
//	host/{uid}/{host}/{referrer}         → number of the referrer's bindings to the host
//	named/{uid}/{number}                 → number of the bindings that name the version
//	uses/{uid}/{number}                  → Uses of the version
//	purpose/{uid}                        → what earlier releases recorded of a KEY's purpose
//	equal/{workspace}/{fingerprint}/{uid} → printed: a KEY secret that has such a value; the row
//	                                       of a deleted secret may remain
//	print/{uid}/{fingerprint}            → what earlier releases recorded of a KEY's value: the
//	                                       number of its first version
//	sealing/{workspace}                  → sealingSetting: whether values must arrive sealed
//	garbage/{uid}                        → nothing; all keys of the uid are to be removed
//
// The packages changelog, keyring, replay, and sealing have their own spaces in the same store.
const (
	spaceSecret    = "secret"
	spaceByUpdate  = "by-update"
	spaceVersion   = "version"
	spaceValue     = "value"
	spaceBinding   = "binding"
	spaceReferrer  = "referrer"
	spaceReferrers = "referrers"
	spaceHost      = "host"
	spaceNamed     = "named"
	spaceUses      = "uses"
	spacePurpose   = "purpose"
	spacePrint     = "print"
	spaceEqual     = "equal"
	spaceSealing   = "sealing"
	spaceGarbage   = "garbage"
)

// perUID returns the prefixes of all keys of a uid.
func perUID(uid string) []kv.Key {
	spaces := []string{
		spaceVersion, spaceValue, spaceBinding, spaceReferrer, spaceReferrers, spaceHost, spaceNamed, spaceUses, spacePurpose,
		spacePrint,
	}
	prefixes := make([]kv.Key, len(spaces))
	for i, space := range spaces {
		prefixes[i] = kv.NewKey(space).Text(uid)
	}
	return prefixes
}

func secretsKey(workspace string) kv.Key { return kv.NewKey(spaceSecret).Text(workspace) }

func secretKey(n Name) kv.Key { return secretsKey(n.Workspace).Text(n.ID) }

func updatesKey(workspace string) kv.Key { return kv.NewKey(spaceByUpdate).Text(workspace) }

func updateKey(n Name, at time.Time) kv.Key {
	return updatesKey(n.Workspace).Uint(uint64(at.UnixNano())).Text(n.ID)
}

func versionsKey(uid string) kv.Key { return kv.NewKey(spaceVersion).Text(uid) }

func versionKey(uid string, number uint32) kv.Key { return versionsKey(uid).Uint(uint64(number)) }

func valueKey(uid string, number uint32) kv.Key {
	return kv.NewKey(spaceValue).Text(uid).Uint(uint64(number))
}

func bindingsKey(uid string) kv.Key { return kv.NewKey(spaceBinding).Text(uid) }

func holderKey(uid, holder string) kv.Key { return bindingsKey(uid).Text(holder) }

func bindingKey(b Binding) kv.Key { return holderKey(b.UID, b.Holder).Text(b.Operation) }

func referrersKey(uid string) kv.Key { return kv.NewKey(spaceReferrer).Text(uid) }

func referrerKey(uid, referrer string) kv.Key { return referrersKey(uid).Text(referrer) }

func referrerCountKey(uid string) kv.Key { return kv.NewKey(spaceReferrers).Text(uid) }

func hostKey(uid, host string) kv.Key { return kv.NewKey(spaceHost).Text(uid).Text(host) }

func hostReferrerKey(uid, host, referrer string) kv.Key { return hostKey(uid, host).Text(referrer) }

func namedKey(uid string, number uint32) kv.Key {
	return kv.NewKey(spaceNamed).Text(uid).Uint(uint64(number))
}

func usesKey(uid string, number uint32) kv.Key {
	return kv.NewKey(spaceUses).Text(uid).Uint(uint64(number))
}

func purposeKey(uid string) kv.Key { return kv.NewKey(spacePurpose).Text(uid) }

func equalsKey(workspace, fingerprint string) kv.Key {
	return kv.NewKey(spaceEqual).Text(workspace).Text(fingerprint)
}

func equalKey(workspace, fingerprint, uid string) kv.Key {
	return equalsKey(workspace, fingerprint).Text(uid)
}

func printKey(uid string, fingerprint []byte) kv.Key {
	return append(kv.NewKey(spacePrint).Text(uid), fingerprint...)
}

func sealingKey(workspace string) kv.Key { return kv.NewKey(spaceSealing).Text(workspace) }

func garbageKey(uid string) kv.Key { return kv.NewKey(spaceGarbage).Text(uid) }

// lastText returns the last element of a key that consists of prefix and one string.
func lastText(key []byte, prefix kv.Key) (string, error) {
	text, _, err := kv.CutText(key[len(prefix):])
	return text, err
}

// behind narrows a range to the keys after the last one that was seen.
func behind(all kv.Range, seen []byte) kv.Range {
	switch {
	case len(seen) == 0:
	case all.Reverse:
		all.End = seen
	default:
		all.Start = append(append([]byte(nil), seen...), 0)
	}
	return all
}
