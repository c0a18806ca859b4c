// Package upgrade writes the store of a service in the present stored form.
//
// [Run] reads a store of the first form, in which rows had checksums and records were JSON, and
// writes a new file. [boltkv.Upgrade] then gives it the name of the old one, which remains under
// another name. If anything fails, or the program ends, the name refers to the old file.
//
// # Order
//
//  1. All spaces of the old store must be known, so that no row is lost.
//  2. The keyring and the change log are copied. The copy of the log is verified, and must extend a
//     checkpoint that another program witnessed, if there is one.
//  3. All resources are compared with the log, and the log with all resources. If any differ, the
//     upgrade ends with an error that names them all.
//  4. The resources are converted. The log gets an entry about each, which states the new rows. Other
//     rows are copied.
//  5. The new store is verified: the log, and each resource against its entry.
//
// A [Service] describes the rows of a service.
package upgrade
