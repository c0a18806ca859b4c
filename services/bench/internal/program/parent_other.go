//go:build !linux

package program

import "syscall"

// endWithParent does nothing where the kernel offers nothing.
func endWithParent() *syscall.SysProcAttr { return nil }
