package inventory

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
)

// Read reads an inventory, and knows the roots of the change log at the sizes. It uses memory for all
// secrets. The error wraps [ErrNewer], or [ErrMalformed] for anything but the exact form that a [Writer]
// writes: another order, a name twice, a line too many, or hashes that are not those of the signed head.
func Read(from io.Reader, sizes ...uint64) (*Inventory, error) {
	buffered := bufio.NewReader(from)
	first, err := readLine(buffered)
	if err != nil {
		return nil, err
	}
	if found, ok := bytes.CutPrefix(first, []byte(magic)); !ok {
		return nil, ErrMalformed
	} else if string(found) != version+"\n" {
		return nil, ErrNewer
	}
	r := reader{sizes: sizes, found: &Inventory{
		Witnessed: make(map[string]Witnessed), Secrets: make(map[string]*Secret), roots: make(map[uint64]tlog.Hash),
	}}
	r.noteRoot() // of the empty log
	for number := 2; !r.ended; number++ {
		text, err := readLine(buffered)
		if err != nil {
			return nil, err
		}
		if err := r.line(text); err != nil {
			return nil, fmt.Errorf("%w: line %d", err, number)
		}
	}
	if _, err := buffered.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(ErrMalformed, err)
	}
	return r.found, r.compareHead()
}

// readLine returns a line with its end.
func readLine(from *bufio.Reader) (text []byte, err error) {
	for {
		part, err := from.ReadSlice('\n')
		text = append(text, part...)
		switch {
		case len(text) > maxLine, errors.Is(err, io.EOF):
			return nil, ErrMalformed
		case err == nil:
			return text, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read inventory: %w", err)
		}
	}
}

// A reader is the state of a reading.
type reader struct {
	found *Inventory
	sizes []uint64
	log   changelog.Replica
	lines int
	// last is the secret to which versions and bindings belong. It is nil before the first secret.
	last *Secret
	// partial is whether a line had fewer hashes than fit, so it is the last one with hashes.
	partial, ended bool
}

// line reads a line. It must be what its content encodes to, so there is one form of everything.
func (r *reader) line(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return ErrMalformed
	}
	again, err := json.Marshal(l)
	if err != nil || !bytes.Equal(append(again, '\n'), text) || l.members() != 1 || (l.Head != nil) != (r.lines == 0) {
		return ErrMalformed
	}
	if r.lines++; r.lines > maxLines || !r.take(l) {
		return ErrMalformed
	}
	return nil
}

// members returns the number of members that are set.
func (l line) members() (set int) {
	for _, is := range []bool{l.Head != nil, l.Witnessed != nil, l.Secret != nil, l.Version != nil, l.Binding != nil, l.Hashes != nil, l.End != nil} {
		if is {
			set++
		}
	}
	return set
}

// take adds what a line states, and reports whether the line may follow the ones before it.
func (r *reader) take(l line) bool {
	if l.End != nil {
		r.ended = true
		return l.End.Lines == r.lines-1
	}
	if l.Hashes != nil {
		return r.hashes(l.Hashes)
	}
	if r.log.Size() > 0 {
		return false
	}
	switch {
	case l.Head != nil:
		r.found.Head = *l.Head
	case l.Witnessed != nil:
		_, twice := r.found.Witnessed[l.Witnessed.Name]
		r.found.Witnessed[l.Witnessed.Name] = *l.Witnessed
		return !twice && r.last == nil
	case l.Secret != nil:
		_, twice := r.found.Secrets[l.Secret.Name]
		r.last = l.Secret
		r.last.Versions = make(map[uint32]Version)
		r.found.Secrets[r.last.Name] = r.last
		return !twice && r.last.Name != "" && r.last.UID != ""
	case l.Version != nil:
		return r.version(*l.Version)
	case l.Binding != nil:
		if r.last == nil {
			return false
		}
		r.last.Bindings = append(r.last.Bindings, *l.Binding)
	}
	return true
}

func (r *reader) version(v Version) bool {
	if r.last == nil || len(r.last.Bindings) > 0 || v.Number == 0 || !slices.Contains([]string{Enabled, Disabled, Destroyed}, v.State) {
		return false
	}
	_, twice := r.last.Versions[v.Number]
	r.last.Versions[v.Number] = v
	return !twice
}

// hashes adds the hashes of the next entries.
func (r *reader) hashes(all []byte) bool {
	count := len(all) / tlog.HashSize
	if r.partial || count == 0 || count > perLine || len(all)%tlog.HashSize != 0 {
		return false
	}
	r.partial = count < perLine
	for hash := range slices.Chunk(all, tlog.HashSize) {
		if r.log.Add(tlog.Hash(hash)) != nil {
			return false
		}
		r.noteRoot()
	}
	return true
}

// noteRoot keeps the root of the log so far, if it was asked for.
func (r *reader) noteRoot() {
	if slices.Contains(r.sizes, r.log.Size()) {
		r.found.roots[r.log.Size()] = r.log.Root()
	}
}

// compareHead fails unless the hashes are those of the signed head.
func (r *reader) compareHead() error {
	head, err := changelog.OpenCheckpoint(r.found.Head.Checkpoint, r.found.Head.Key)
	if err != nil || head.Size != r.log.Size() || head.Root != r.log.Root() {
		return fmt.Errorf("%w: its hashes are not those of its head", ErrMalformed)
	}
	r.found.Size = head.Size
	return nil
}
