// Package program starts programs and reads what they cost.
package program

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// patience is the time that a program gets to stop.
const patience = 30 * time.Second

// A Program is a program that runs, and its log.
type Program struct {
	name    string
	command *exec.Cmd
	log     *os.File
	metrics string // the address of its metrics; empty: none
	exited  chan struct{}
	err     error // valid once exited is closed
}

// Config describes a program to start.
type Config struct {
	// Name is for errors.
	Name string
	// Path is the executable file, and Args are its arguments.
	Path string
	Args []string
	// Log is the file to which its output is appended.
	Log string
	// Metrics is the address of its metrics, if it has one.
	Metrics string
}

// Start starts a program. Stop it in the end.
func Start(cfg Config) (*Program, error) {
	output, err := os.OpenFile(cfg.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", cfg.Name, err)
	}
	p := &Program{name: cfg.Name, command: exec.Command(cfg.Path, cfg.Args...), log: output, metrics: cfg.Metrics, exited: make(chan struct{})} //nolint:gosec // G204: the operator names the programs
	p.command.Stdout, p.command.Stderr = output, output
	// A benchmark that ends in any way takes its programs with it.
	p.command.SysProcAttr = endWithParent()
	if err := p.command.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", cfg.Name, err), output.Close())
	}
	go func() {
		p.err = p.command.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Stop asks the program to stop, and kills it if it does not. Stopping it again has no effect.
func (p *Program) Stop() error {
	select {
	case <-p.exited:
		return nil
	default:
	}
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		_ = p.command.Process.Kill() // it may have ended by now
		<-p.exited
		return errors.Join(fmt.Errorf("stop %s: it did not stop within %v; see %s", p.name, patience, p.log.Name()), p.log.Close())
	}
	if p.err != nil {
		p.err = fmt.Errorf("%s ended with an error; see %s: %w", p.name, p.log.Name(), p.err)
	}
	return errors.Join(p.err, p.log.Close())
}

// Exited reports whether the program has ended.
func (p *Program) Exited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// Wait waits until the program has ended.
func (p *Program) Wait() { <-p.exited }

// PID returns the ID of the process.
func (p *Program) PID() int { return p.command.Process.Pid }

// Address returns a free address of the loopback interface. Another process can take it before it
// is used, but the kernel gives out other ports first.
func Address(ctx context.Context) (string, error) {
	var listen net.ListenConfig
	lis, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("choose a port: %w", err)
	}
	return lis.Addr().String(), lis.Close()
}
