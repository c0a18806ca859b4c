//go:build !linux

package memory

func protect() {}

func protection() state { return state{} }

// Unlock does nothing: no memory is locked.
func Unlock(uintptr) error { return nil }
