package program

import "syscall"

// endWithParent makes the kernel end the program when this one ends.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
