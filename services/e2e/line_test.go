package e2e

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A line is the path of TCP connections to a server, with all their possible failures.
type line struct {
	address string // start of the line
	to      string
	lag     atomic.Int64 // delay of the server's messages

	ctx context.Context

	mu      sync.Mutex
	broken  bool
	current *gate // of new connections
	ends    []net.Conn
	tasks   sync.WaitGroup
}

// newLine returns a line to a server that lasts until the test ends.
func newLine(t testing.TB, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	l := &line{address: listener.Addr().String(), to: to, ctx: ctx, current: newGate()}
	l.tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.connect(conn)
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		l.cut()
		l.tasks.Wait()
	})
	return l
}

// connect forwards a connection to the server in both directions.
func (l *line) connect(near net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	far, err := new(net.Dialer).DialContext(l.ctx, "tcp", l.to)
	if l.broken || err != nil {
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	l.ends = append(l.ends, near, far)
	through := l.current
	l.tasks.Go(func() { l.carry(far, near, through, new(atomic.Int64)) })
	l.tasks.Go(func() { l.carry(near, far, through, &l.lag) })
}

// carry forwards bytes in one direction. While the gate is shut nothing passes, not even the end
// of the connection.
func (l *line) carry(to, from net.Conn, through *gate, lag *atomic.Int64) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		pause(l.ctx, time.Duration(lag.Load()))
		if !through.pass(l.ctx) {
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil || err != nil {
			return
		}
	}
}

// silence stops all data, also on new connections, and closes nothing.
func (l *line) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.shut()
}

// resume ends silence.
func (l *line) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current.lift()
}

// resumeNew admits new connections; the old ones stay silent forever.
func (l *line) resumeNew() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = newGate()
}

// cut closes all connections, and new ones immediately.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for _, end := range l.ends {
		_ = end.Close()
	}
	l.ends = nil
}

// mend ends cut.
func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
}

// A gate is open or shut.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed when the gate is open
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// pass waits until the gate is open, and reports whether it is.
func (g *gate) pass(ctx context.Context) bool {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return true
	case <-ctx.Done():
		return false
	}
}
