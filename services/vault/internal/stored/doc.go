// Package stored holds the stored form of the vault: the messages of vault_records.proto, under these
// keys. This page is the only description of the format.
//
// # Key space
//
// The keys of all rows of a secret start with the key of the secret, so that a change writes them on
// few pages. The rows of one incarnation have its uid, 16 raw bytes. The numbers of versions have 4
// bytes, times have 8 (nanoseconds since 1970), and strings are as in [kv.Key].
//
//	key                                  value     ref in the log      content
//	s/{workspace}/{id}/                  Secret    empty               a secret
//	  …v{uid}{number}                    Version   v{number}           a version with its sealed value
//	  …b{uid}{holder}/{operation}        Binding   b{holder}/{op…}     a binding
//	  …r{uid}{referrer}                  Count     r{referrer}         the referrer's bindings
//	  …h{uid}{host}/{referrer}           Count     h{host}/{referrer}  the referrer's bindings to a host
//	  …p{uid}{number}                    Count     p{number}           the bindings that name a version
//	  …n{uid}{number}                    Nonces                        the nonce ledger of a value
//	  …c{uid}{number}                    Uses                          the reported uses of a version
//	  …l{sequence}                                                     a listing of the change log
//	lc/{workspace}/{time}{id}/           nothing                       lists in order of update time
//	e/{workspace}/{print 16}{uid}        Printed                       a KEY with a value; the row of a
//	                                                                   deleted secret may remain
//	w/{workspace}/                       Sealing   empty               whether values must arrive sealed
//	g/{workspace}/{id}/{uid}             nothing                       the rows of the uid are garbage
//	k/{workspace}/{id}/                  nothing                       the secret keeps a number of
//	                                                                   versions; may remain when it no
//	                                                                   longer does
//	d/{time}{workspace}/{id}/{uid}       nothing                       when to look at a deleted secret
//	o/                                   Count                         after how many entries of the log to
//	                                                                   remove outdated rows of lc
//	epoch/                               Epoch                         the epoch before the first restore
//	restore/                             Restore   empty               the last restore
//
// The listings of a deleted secret remain, because its entries do. A list of secrets therefore scans
// groups of keys ([kv.Range]), which passes over all rows but the first of a name.
//
// The rows by update time grow at the end like those of a log, so they are among the growing keys
// ([kv.Growing]).
//
// A secret that was deleted with a grace keeps its rows, and its own row has the times of the deletion
// and of the purge. It has a row of d at the time of the purge, and, if it had bindings, one at the time
// 0 until they are removed.
//
// The values of a KEY have fingerprints: a row of e for each way to read the value, on a page of its
// own, and a ledger next to its version. A KEY without a binding is not used, so these rows are
// deferred until the first binding writes them. The secret's row has the number of deferred rows;
// zero means that all exist. The row of a version has its fingerprints from the beginning.
//
// The packages audit, changelog, keyring, replay, rewrap, and sealing have their own spaces in the same
// store.
//
// # What a row proves
//
// The store authenticates each row. That proves that the vault wrote it, but not that it is the
// newest one, nor that a missing row never existed. Therefore:
//
//   - Each logged change of a secret rewrites the secret's row, which names the entry
//     (last_change). The entry states a digest of each row with a ref that the change wrote.
//     So the newest entry of the name is that of the row, or there is no row. Of the row of a version,
//     it states all but the wrap of the data key (key_id and wrapped_key), because data keys are
//     wrapped again without an entry. Entries of earlier releases state the whole row.
//   - Whatever must exist is named in the secret's row: the numbers of versions, the state of
//     each, and for each version that was rewritten, the entry that did it. An old row of a
//     version, or a missing one, contradicts the secret's row. The same is true of the holders
//     of bindings and of the number of referrers.
//   - Each version of a KEY without deferred rows has a ledger, its own or that of the version with
//     the same value. A missing ledger refuses. Each fingerprint of a version has a row. The
//     secret's row says whether rows are deferred, so the log states that, too.
//
// The rows of lc and e follow from the others, so a check of all rows finds a missing one. A row of lc
// is outdated if its time is not that of the secret. A change leaves it, and it is removed later.
//
// Ledgers and uses change without an entry, and so does the state of a rewrap. An attacker with write
// access to the file can therefore put an earlier row of these back.
//
// # Values
//
// The associated data of a sealed value contains the workspace, the uid, the number, and the
// usage, so a value opens only for the usage with which it was stored. The row of a version
// has neither its uid, unless the value was sealed again, nor the ID of the key that wraps the data
// key: both follow from the sealed value.
package stored
