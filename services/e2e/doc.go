// Package e2e tests Keyward from outside: it builds the programs, starts them as
// processes of their own and speaks to them as their users do, over gRPC, JSON
// and the command line. Of Keyward it imports what its users do, the generated client
// code and the Go client, and what makes identities for them.
package e2e
