// Package e2e tests Keyward from outside: it builds the programs, starts them as separate
// processes, and uses them like their users, over gRPC, JSON, and the command line. It imports
// only the parts of Keyward that users import, which are the generated client code and the Go
// client, and the packages that create identities for them.
package e2e
