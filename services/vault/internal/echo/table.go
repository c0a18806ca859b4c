package echo

import "math/bits"

// A table is a hash table of the windows of readings, and of the groups that contain them. The hash
// of the next window of a form follows from that of the last one, so that a long form is searched
// with a few operations for each of its bytes.
type table struct {
	readings
	slots []slot
	// shift leaves the bits of a hash that select a slot.
	shift int
}

// A slot has no window if it has no groups.
type slot struct {
	begin  uint32 // of the window, in the buffer of the readings
	tag    uint32
	groups Groups
}

// newTable returns the table of the windows of readings, in few slots if these suffice.
func newTable(few []slot, of readings) table {
	width := bits.Len(uint(of.windows())) + 1 // at most half of the slots are used
	t := table{readings: of, slots: room(few[:0], 1<<width)[:1<<width], shift: 64 - width}
	for _, read := range of.all {
		begin := read.begin
		for w := windowsOf(of.buffer[read.begin:read.end]); w.next(); begin++ {
			s := t.at(&w)
			*s = slot{uint32(begin), uint32(w.hash), s.groups | 1<<read.group}
		}
	}
	return t
}

// at returns the slot of a window, which is empty if the table does not have the window.
func (t *table) at(w *windows) *slot {
	for i := int(w.hash >> t.shift); ; i++ {
		s := &t.slots[i&(len(t.slots)-1)]
		if s.groups == 0 || s.tag == uint32(w.hash) && equal(t.window(s), w.window()) {
			return s
		}
	}
}

// window returns the window of a slot, with letters in lower case.
func (t *table) window(s *slot) []byte { return t.buffer[s.begin : s.begin+size] }

// mark returns the groups that contain a window of a form.
func (t *table) mark(form []byte) (groups Groups) {
	plain := regular(form)
	for w := windowsOf(form); w.next(); {
		s := t.at(&w)
		// A line of dashes reveals nothing, unless it is the value.
		if s.groups == 0 || regular(t.window(s)) && !plain {
			continue
		}
		groups |= s.groups
	}
	return groups
}

// factor is the factor of the hash, which is a polynomial of the bytes of a window.
const factor = 0x9e3779b97f4a7c15

// windows iterates over all windows of bytes.
type windows struct {
	rest []byte // from the current window on, once there is one
	hash uint64 // of the current window, regardless of case
	gone uint64 // the factor of a byte that is no longer in the window, once there is a window
}

func windowsOf(b []byte) windows { return windows{rest: b} }

// next moves to the next window and reports whether there is one.
func (w *windows) next() bool {
	switch {
	case w.gone == 0 && len(w.rest) >= size:
		w.gone = 1
		for _, c := range w.window() {
			w.hash, w.gone = w.hash*factor+uint64(fold(c)), w.gone*factor
		}
		return true
	case w.gone == 0 || len(w.rest) == size:
		return false
	}
	w.hash = w.hash*factor + uint64(fold(w.rest[size])) - w.gone*uint64(fold(w.rest[0]))
	w.rest = w.rest[1:]
	return true
}

func (w *windows) window() []byte { return w.rest[:size] }
