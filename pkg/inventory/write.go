package inventory

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// A Writer writes an inventory: the heads of other programs, then each secret, and then the log. Its methods
// return nothing; [Writer.Close] returns the first error.
type Writer struct {
	to    *bufio.Writer
	lines int
	err   error
}

// NewWriter begins an inventory with the head of the change log.
func NewWriter(to io.Writer, head Head) *Writer {
	w := &Writer{to: bufio.NewWriter(to)}
	_, w.err = w.to.WriteString(magic + version + "\n")
	w.line(line{Head: &head})
	return w
}

// Witnessed writes the head of another program's log.
func (w *Writer) Witnessed(head Witnessed) { w.line(line{Witnessed: &head}) }

// Secret writes a secret, without its versions and bindings, which follow.
func (w *Writer) Secret(s Secret) { w.line(line{Secret: &s}) }

// Version writes a version of the secret before it.
func (w *Writer) Version(v Version) { w.line(line{Version: &v}) }

// Binding writes a binding to the secret before it.
func (w *Writer) Binding(b Binding) { w.line(line{Binding: &b}) }

// Log writes the hashes of all entries of the change log, in order.
func (w *Writer) Log(hashes iter.Seq2[tlog.Hash, error]) {
	part := make([]byte, 0, perLine*tlog.HashSize)
	for hash, err := range hashes {
		if err != nil {
			w.err = errors.Join(w.err, err)
			return
		}
		if part = append(part, hash[:]...); len(part) == cap(part) {
			w.line(line{Hashes: part})
			part = part[:0]
		}
	}
	if len(part) > 0 {
		w.line(line{Hashes: part})
	}
}

// Close ends the inventory. It does not close the writer below.
func (w *Writer) Close() error {
	w.write(line{End: &end{w.lines}})
	if err := errors.Join(w.err, w.to.Flush()); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}

// line writes a line, and counts it.
func (w *Writer) line(l line) {
	if w.lines++; w.lines > maxLines && w.err == nil {
		w.err = errors.New("the vault is too large for an inventory")
	}
	w.write(l)
}

func (w *Writer) write(l line) {
	if w.err != nil {
		return
	}
	text, err := json.Marshal(l)
	if err == nil && len(text) >= maxLine {
		err = errors.New("a line is too long")
	}
	if err == nil {
		_, err = w.to.Write(append(text, '\n'))
	}
	w.err = err
}
