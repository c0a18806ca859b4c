//go:build !goexperiment.runtimesecret

package memory

const erases = false

func do(f func()) { f() }
