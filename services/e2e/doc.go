// Package e2e tests Keyward from outside: it builds the programs, starts them as
// processes of their own and speaks to them as their users do, over gRPC, JSON
// and the command line. It imports the generated client code and nothing else of
// Keyward.
package e2e
