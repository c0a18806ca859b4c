// Package localid provides the identities of one machine: a small certificate [Authority] for
// servers and workloads, and a small OIDC [Issuer] for people, who can use its [SignIn] to sign in
// to a page.
//
// With it, the standalone program starts without any configuration, and still checks certificates
// and tokens with the same code as in production. Tests use it for the same reason. It is not for
// more than one machine: the authority's key is stored in a file, names are confined to the
// loopback interface, nothing can be revoked, and anyone who can read the folder can act as any
// caller.
//
// # Files
//
// Keys are generated on first use. They are stored in a separate folder that only its owner can
// enter (0700); only the owner can read its files (0600). Writes are atomic and synced. A key that
// other users can read is refused.
package localid
