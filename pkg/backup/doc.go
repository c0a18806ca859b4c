// Package backup writes and reads backups of the store of a running service.
//
// A backup has all rows of one moment as the store holds them, each with its MAC, and the change log
// with its head. [Restore] therefore writes the same rows again, and nothing that was deleted before.
//
// # Format
//
// A backup is two lines of text, and encrypted rows:
//
//	keyward backup 1
//	{"service":…,"create_time":…,"provider":…,"log_key":…,"checkpoint":…,"keyring":…,"key":…}
//	ciphertext
//
// The second line is the [Header] in JSON. It tells which program, when, and at which point of its change
// log wrote the backup. It has no names, no values, and no key that is not wrapped:
//
//	provider of the key-encryption key ── wraps ── keyring, in the header
//	                                                └── wraps ── key of this backup, in the header
//	                                                              └── encrypts ── rows
//
// The ciphertext is that of Tink's streaming AEAD AES256-GCM-HKDF with segments of 1 MiB, HMAC-SHA-256,
// a key of 32 random bytes, and both lines as the associated data. Each segment is authenticated with
// its position and with whether it is the last one. A file that was changed anywhere, cut, extended,
// reordered, or combined from two backups does not open.
//
// The plaintext is the rows in the order of their keys, and then their number:
//
//	┌────────────────┬──────────────────┬─────┬──────────────┐
//	│ size of key (2)│ size of value (4)│ key │ stored value │   size of key > 0
//	└────────────────┴──────────────────┴─────┴──────────────┘
//	┌───────┬─────────────────────┐
//	│ 0 (2) │ number of rows (8)  │   the end
//	└───────┴─────────────────────┘
//
// Numbers are big-endian.
//
// # What a backup opens with
//
// A backup opens with the key-encryption key that wraps the keyring in its header, also after the
// service rotated its keyring or replaced the provider. A backup cannot be made unreadable later, except
// by destroying that key-encryption key, or the backup.
package backup
