// Package accesslog writes access records, one JSON object per line, to a file.
//
// A [Log] promises that a record is in the file when [Log.Write] returns: the operating system has
// it, so it survives the end of the process, even by SIGKILL. It does not survive the loss of power
// or a crash of the operating system, because no record waits for the disk.
//
// Concurrent callers share a write. While one write is under way, all records that arrive wait for
// the next one, which takes them all. If a write fails, so do the calls of all records in it, and
// their callers must refuse their requests.
package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// MaxRecord is the maximum length of a record without the line feed at its end.
const MaxRecord = 16 << 10

// maxSpare is the maximum size of the space that is kept for later batches.
const maxSpare = 1 << 20

// The errors of this package, apart from those of the file system.
var (
	// ErrFile means that the file is not a regular file with mode 0600 of the user of the process.
	ErrFile = errors.New("must be a regular file that belongs to the user of the program, with mode 0600")
	// ErrTooLong means that a record exceeds [MaxRecord].
	ErrTooLong = errors.New("the access record is too long")
	// ErrClosed means that the log was closed.
	ErrClosed = errors.New("the access log is closed")
)

// A Log writes records to a file. It is safe for concurrent use.
type Log struct {
	file io.WriteCloser

	mutex   sync.Mutex // guards the fields below
	next    *batch     // the records that wait for the next write
	spare   []byte     // the space of an earlier batch
	writing bool       // a goroutine writes batches until none is left
	closed  bool
	idle    sync.Cond // when writing becomes false

	torn bool // the last write ended within a record; belongs to the goroutine that writes
}

// A batch is the records of one write.
type batch struct {
	records []byte
	written chan struct{} // closed after the write
	err     error         // set before
}

// Open opens the file, or creates it with mode 0600. It fails with ErrFile if other users could
// read the file, or if it belongs to another one.
func Open(path string) (*Log, error) {
	// A pipe without a reader fails instead of blocking.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open access log: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		err = check(info)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open access log %s: %w", path, err), file.Close())
	}
	return newLog(file), nil
}

func newLog(file io.WriteCloser) *Log {
	l := &Log{file: file, next: newBatch(nil)}
	l.idle.L = &l.mutex
	return l
}

func newBatch(space []byte) *batch { return &batch{records: space[:0], written: make(chan struct{})} }

// CheckFile returns the error that Open would return for an existing file. It does not open the
// file.
func CheckFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return check(info)
}

func check(info os.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || info.Mode().Perm()&^0o600 != 0 || ok && int(stat.Uid) != os.Geteuid() {
		return ErrFile
	}
	return nil
}

// Write writes a record, which must not contain a line feed, and returns when it is in the file. It
// does not keep the record. When ctx ends, Write returns its cause without waiting any longer, and
// the record may or may not be written.
func (l *Log) Write(ctx context.Context, record []byte) error {
	if len(record) > MaxRecord {
		return ErrTooLong
	}
	b, err := l.add(record)
	if err != nil {
		return err
	}
	select {
	case <-b.written:
		return b.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// add adds a record to the next batch.
func (l *Log) add(record []byte) (*batch, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	b := l.next
	b.records = append(append(b.records, record...), '\n')
	if !l.writing {
		l.writing = true
		go l.write()
	}
	return b, nil
}

// write writes batches until no record waits. It lets other goroutines run before each, so that
// those that are about to add a record share the write.
func (l *Log) write() {
	for {
		runtime.Gosched()
		b := l.take()
		if b == nil {
			return
		}
		b.err = l.put(b.records)
		close(b.written)
		if cap(b.records) <= maxSpare {
			l.mutex.Lock()
			l.spare = b.records
			l.mutex.Unlock()
		}
	}
}

// take returns the next batch, or nil if no record waits.
func (l *Log) take() *batch {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	b := l.next
	if len(b.records) == 0 {
		l.writing = false
		l.idle.Broadcast()
		return nil
	}
	l.next, l.spare = newBatch(l.spare), nil
	return b
}

// put writes records. It ends the line of a record that an earlier write has torn, for example
// because the disk was full.
func (l *Log) put(records []byte) error {
	if l.torn {
		if _, err := l.file.Write([]byte{'\n'}); err != nil {
			return fmt.Errorf("write access log: %w", err)
		}
		l.torn = false
	}
	if n, err := l.file.Write(records); err != nil {
		l.torn = n > 0 && records[n-1] != '\n'
		return fmt.Errorf("write access log: %w", err)
	}
	return nil
}

// Close waits for the records that were passed to Write, and closes the file. Later records fail
// with ErrClosed.
func (l *Log) Close() error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	for l.writing {
		l.idle.Wait()
	}
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("close access log: %w", err)
	}
	return nil
}
