package echo

// A reading is the place of a string in a buffer, as is or decoded in one of the possible ways, with
// letters in lower case. It is no slice, because a slice would move the buffer to the heap.
type reading struct{ begin, end, group int }

// maxReadings is the length of all readings of a string at most, in lengths of the string: the
// string itself, two alignments of hexadecimal, and four of base64.
const maxReadings = 1 + 2*1 + 4*1

// readings are the readings of strings, which share one buffer that has room for all of them. Its
// methods return the result of a change: the buffer could not be on the stack behind a pointer.
type readings struct {
	buffer []byte
	all    []reading
}

// add adds the readings of a string.
func (r readings) add(text string, group int) readings {
	begin := len(r.buffer)
	r.buffer = append(r.buffer, text...)
	r = r.end(begin, group)
	for start := range 2 {
		r = r.decode(text, group, &hexadecimal, 4, start)
	}
	for start := range 4 {
		r = r.decode(text, group, &base64, 6, start)
	}
	return r
}

// decode adds what the runs of digits in a string decode to, each from its digit with the number
// start.
func (r readings) decode(text string, group int, digits *alphabet, width, start int) readings {
	begin, skip, bits, value := len(r.buffer), start, 0, uint32(0)
	for i := range len(text) {
		switch digit := digits[text[i]]; {
		case digit == ignored:
		case digit == none:
			r = r.end(begin, group)
			begin, skip, bits = len(r.buffer), start, 0
		case skip > 0:
			skip--
		default:
			value = value<<width | uint32(digit)
			if bits += width; bits >= 8 {
				bits -= 8
				r.buffer = append(r.buffer, byte(value>>bits))
			}
		}
	}
	return r.end(begin, group)
}

// end ends a reading, unless it is too short to contain a value.
func (r readings) end(begin, group int) readings {
	read := r.buffer[begin:]
	if len(read) < least {
		r.buffer = r.buffer[:begin]
		return r
	}
	for i, b := range read {
		read[i] = fold(b)
	}
	r.all = append(r.all, reading{begin, len(r.buffer), group})
	return r
}

// windows returns the number of windows in all readings.
func (r readings) windows() (n int) {
	for _, read := range r.all {
		n += max(read.end-read.begin-size+1, 0)
	}
	return n
}

// whole returns the groups that contain all of a form that is shorter than a window and has at
// least a length.
func (r readings) whole(form []byte, least int) (groups Groups) {
	if len(form) < least || len(form) >= size {
		return 0
	}
	for _, read := range r.all {
		if holds(r.buffer[read.begin:read.end], form) {
			groups |= 1 << read.group
		}
	}
	return groups
}

// An alphabet maps characters to digits.
type alphabet [256]int8

const (
	// none is a character that ends a run of digits, and ignored is one inside a run.
	none    = -1
	ignored = -2
)

var (
	hexadecimal = alphabetOf(" \t\r\n:-,", "0123456789abcdef", "0123456789ABCDEF")
	base64      = alphabetOf(" \t\r\n", letters+"+/", letters+"-_")
)

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func alphabetOf(ignore string, digits ...string) (a alphabet) {
	for i := range a {
		a[i] = none
	}
	for _, c := range []byte(ignore) {
		a[c] = ignored
	}
	for _, spelled := range digits {
		for i, c := range []byte(spelled) {
			a[c] = int8(i)
		}
	}
	return a
}
