// Package maintenance backs up the data file of a running service, on request and on a schedule, and
// answers its MaintenanceService.
//
// # The disk
//
// A backup for a caller is first written, encrypted, to a file without a name in the folder of the
// data file, and sent from there. The disk therefore needs room for a backup, but a caller who reads
// slowly does not keep a state of the store open: until a state is closed, updates cannot reuse the
// pages that they free, so the data file would grow by all that they write. It is open for as long as
// the disk takes to write the backup.
//
// # The change log
//
// Each backup begins with an entry about the resource `workspaces/-/{service}/backup`, which is part of
// the backup.
package maintenance
