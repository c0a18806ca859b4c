// Package localid makes the identities of one machine: a small certificate
// [Authority] for servers and workloads, and a small OIDC [Issuer] for people, who
// can [SignIn] to a page with it.
//
// The standalone program uses it so that it can start with nothing configured
// and still check certificates and tokens by the very code that checks them in
// production. Tests use it for the same reason. It is not for more than one
// machine: the authority's key lies in a file, names are confined to the loopback
// interface, nothing can be revoked, and whoever reads the folder is everybody.
//
// # Files
//
// Keys are made on first use and live in a folder of their own, which nobody but
// its owner can enter (0700); the files in it are for the owner's eyes too
// (0600). A file appears whole and synced, or not at all. A key that others can
// read is refused rather than used.
package localid
