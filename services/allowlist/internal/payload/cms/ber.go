package cms

// An element is one element of BER (X.690). All slices share memory with the message.
type element struct {
	tag byte
	// raw is the whole element, and body its content, without end-of-contents octets.
	raw, body []byte
}

// header reads the tag and the length of the first element. The length is indefinite, or fits into
// the bytes that follow.
func header(b []byte) (tag byte, size, length int, ok bool) {
	if len(b) < 2 || b[0]&tagNumbers == tagNumbers {
		return 0, 0, 0, false
	}
	tag, size = b[0], 2
	switch n := int(b[1]); {
	case n < 0x80:
		length = n
	case n == 0x80:
		return tag, size, indefinite, tag&constructed != 0
	case n > 0x84 || len(b) < size+n-0x80:
		return 0, 0, 0, false
	default:
		var long uint64
		for _, digit := range b[size : size+n-0x80] {
			long = long<<8 | uint64(digit)
		}
		size += n - 0x80
		if long > uint64(len(b)) {
			return 0, 0, 0, false
		}
		length = int(long) // at most the length of a slice
	}
	return tag, size, length, length <= len(b)-size
}

// untilEnd returns the length of the content before its end-of-contents octets.
func untilEnd(b []byte) (int, bool) {
	depth := 1
	for at := 0; ; {
		tag, size, length, ok := header(b[at:])
		switch {
		case !ok:
			return 0, false
		case tag == endOfContents && length == 0:
			if depth--; depth == 0 {
				return at, true
			}
		case tag == endOfContents:
			return 0, false
		case length == indefinite:
			if depth++; depth > maxNesting {
				return 0, false
			}
			length = 0
		}
		at += size + length
	}
}

// A reader reads a series of elements. After a failure, it reads nothing.
type reader struct {
	rest   []byte
	failed bool
}

// next returns the next element.
func (r *reader) next() element {
	tag, size, length, ok := header(r.rest)
	total := size + length
	if ok && length == indefinite {
		length, ok = untilEnd(r.rest[size:])
		total = size + length + len("\x00\x00")
	}
	if !ok || tag == endOfContents || r.failed {
		r.fail()
		return element{}
	}
	e := element{tag: tag, raw: r.rest[:total:total], body: r.rest[size : size+length : size+length]}
	r.rest = r.rest[total:]
	return e
}

func (r *reader) fail() { r.rest, r.failed = nil, true }

// more reports whether there is another element.
func (r *reader) more() bool { return len(r.rest) > 0 }

// has reports whether the next element has a tag.
func (r *reader) has(tag byte) bool { return len(r.rest) > 0 && r.rest[0] == tag }

// take returns the next element, which must have a tag.
func (r *reader) take(tag byte) element {
	if !r.has(tag) {
		r.fail()
		return element{}
	}
	return r.next()
}

// skip skips the next element if it has a tag.
func (r *reader) skip(tag byte) {
	if r.has(tag) {
		r.next()
	}
}

// enter returns a reader of the content of the next element, which must have a tag. It fails with
// this reader.
func (r *reader) enter(tag byte) *reader {
	e := r.take(tag)
	return &reader{rest: e.body, failed: r.failed}
}

// leave ends the reading of an element: its content must have been read completely.
func (r *reader) leave(outer *reader) {
	if r.failed || r.more() {
		outer.fail()
	}
}

// octets returns an OCTET STRING, in one piece or in several, with an implicit tag of 0 if implicit
// is true. It copies only strings in several pieces.
func (r *reader) octets(tag byte) []byte {
	if !r.has(tag) && !r.has(tag|constructed) {
		r.fail()
		return nil
	}
	bytes, ok := r.next().octets(maxStringDepth)
	if !ok {
		r.fail()
	}
	return bytes
}

// octets returns the bytes of a string whose pieces are nested at most depth times.
func (e element) octets(depth int) ([]byte, bool) {
	if e.tag&constructed == 0 {
		return e.body, true
	}
	if depth == 0 {
		return nil, false
	}
	joined := make([]byte, 0, len(e.body))
	pieces := reader{rest: e.body}
	for pieces.more() {
		piece := pieces.next()
		if piece.tag&^constructed != tagOctets {
			return nil, false
		}
		bytes, ok := piece.octets(depth - 1)
		if !ok {
			return nil, false
		}
		joined = append(joined, bytes...)
	}
	return joined, !pieces.failed
}

// oid returns an object identifier.
func (r *reader) oid() string { return string(r.take(tagOID).body) }

// contentInfo returns the content type of a message, and a reader of its content.
func contentInfo(message []byte) (kind string, content *reader) {
	outer := &reader{rest: message}
	info := outer.enter(tagSequence)
	kind = info.oid()
	content = info.enter(tagExplicit0)
	if outer.more() || info.more() {
		content.fail()
	}
	return kind, content
}
