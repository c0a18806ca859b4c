package payload

import allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"

// A blob is a list of parts that are concatenated and then encoded.
type blob struct {
	name  string
	slots []allowlistv1.Part_Slot
	codec codec
}

// A reader finds the texts of an envelope's blobs in what was received. Found has
// a place for each blob; a reader that reports true has filled all.
type reader interface {
	read(received []byte, found [][]byte) bool
}

// An envelope says how encrypted bytes are written and read. What is encrypted
// and what with is not its business.
type envelope struct {
	suite suite
	// blobs stand in the order in which the template names them.
	blobs []blob
	// literals surround the blobs when they are written; there is one more.
	literals [][]byte
	reader   reader
}

// A layout says where the parts begin when all blobs stand behind each other.
type layout struct{ iv, ciphertext, tag, end int }

// layout places the parts for a ciphertext of n bytes.
func (e *envelope) layout(n int) layout {
	var l layout
	for i := range e.blobs {
		for _, slot := range e.blobs[i].slots {
			at, size := e.part(&l, slot, n)
			*at = l.end
			l.end += size
		}
	}
	return l
}

// part returns where the position of a slot is kept, and the slot's size.
func (e *envelope) part(l *layout, slot allowlistv1.Part_Slot, n int) (at *int, size int) {
	switch slot {
	case allowlistv1.Part_SLOT_IV:
		return &l.iv, e.suite.iv
	case allowlistv1.Part_SLOT_TAG:
		return &l.tag, e.suite.tag
	default:
		return &l.ciphertext, n
	}
}

// blobSize returns the length of a blob before encoding.
func (e *envelope) blobSize(b *blob, n int) int {
	var (
		l     layout
		total int
	)
	for _, slot := range b.slots {
		_, size := e.part(&l, slot, n)
		total += size
	}
	return total
}

// sealedLen returns the length of the text for a ciphertext of n bytes.
func (e *envelope) sealedLen(n int) int {
	total := 0
	for _, literal := range e.literals {
		total += len(literal)
	}
	for i := range e.blobs {
		total += e.blobs[i].codec.encodedLen(e.blobSize(&e.blobs[i], n))
	}
	return total
}

// A sealer writes and opens envelopes. It owns memory that it uses again and
// again; it serves one message.
type sealer struct {
	*envelope
	scratch []byte
}

// seal encrypts plaintext and appends the text of the envelope.
func (s *sealer) seal(dst []byte, b box, iv, plaintext []byte) []byte {
	n := b.sealedLen(len(plaintext))
	l := s.layout(n)
	raw := s.room(l.end + s.suite.tag)

	// The tag comes out behind the ciphertext, where another part may belong: it
	// is put aside before the others take their places.
	sealed := b.seal(raw[l.ciphertext:l.ciphertext], iv, plaintext)
	var tag [maxTag]byte
	copy(tag[:], sealed[n:])
	copy(raw[l.iv:], iv)
	copy(raw[l.tag:], tag[:s.suite.tag])

	dst = append(dst, s.literals[0]...)
	for i := range s.blobs {
		size := s.blobSize(&s.blobs[i], n)
		dst = s.blobs[i].codec.appendEncoded(dst, raw[:size])
		dst = append(dst, s.literals[i+1]...)
		raw = raw[size:]
	}
	return dst
}

// open reads an envelope and decrypts what is in it with the first of the boxes
// that opens it. The plaintext is good until the next call.
func (s *sealer) open(boxes []box, received []byte) ([]byte, error) {
	var places [maxBlobs][]byte
	found := places[:len(s.blobs)]
	if !s.reader.read(received, found) {
		return nil, errEnvelope
	}
	raw, n, ok := s.decode(found, len(boxes) > 1)
	if !ok {
		return nil, errEncoding
	}
	l := s.layout(n)
	var (
		iv  [maxIV]byte
		tag [maxTag]byte
	)
	copy(iv[:s.suite.iv], raw[l.iv:])
	copy(tag[:s.suite.tag], raw[l.tag:])
	sealed := append(raw[:l.ciphertext+n], tag[:s.suite.tag]...)[l.ciphertext:]

	// One key opens in place. Of several, each but the last may spoil its
	// output, so that this lies behind what is opened.
	dst := sealed[:0]
	if len(boxes) > 1 {
		dst = raw[l.end+s.suite.tag : l.end+s.suite.tag]
	}
	for _, b := range boxes {
		if plaintext, ok := b.open(dst, iv[:s.suite.iv], sealed); ok {
			return plaintext, nil
		}
	}
	return nil, errCipher
}

// decode decodes the blobs behind each other and returns them with the length of
// the ciphertext. There is room behind them for a tag and, if wanted, a plaintext.
func (s *sealer) decode(found [][]byte, spare bool) (raw []byte, n int, ok bool) {
	size := 0
	for i, text := range found {
		size += s.blobs[i].codec.maxDecodedLen(len(text))
	}
	if spare {
		size *= 2
	}
	raw = s.room(size + s.suite.tag)[:0]
	n = -1
	for i, text := range found {
		start := len(raw)
		if raw, ok = s.blobs[i].codec.appendDecoded(raw, text); !ok {
			return nil, 0, false
		}
		fixed, got := s.blobSize(&s.blobs[i], 0), len(raw)-start
		switch {
		case s.blobs[i].holdsCiphertext() && got >= fixed:
			n = got - fixed
		case got != fixed:
			return nil, 0, false
		}
	}
	return raw, n, true
}

// room returns n bytes of the scratch memory.
func (s *sealer) room(n int) []byte {
	if cap(s.scratch) < n {
		clear(s.scratch[:cap(s.scratch)])
		s.scratch = make([]byte, n)
	}
	return s.scratch[:n]
}

// wipe zeroes the scratch memory, which may hold plaintext.
func (s *sealer) wipe() { clear(s.scratch[:cap(s.scratch)]) }

func (b *blob) holdsCiphertext() bool {
	for _, slot := range b.slots {
		if slot == allowlistv1.Part_SLOT_CIPHERTEXT {
			return true
		}
	}
	return false
}

// blobAt returns the position of the named blob, which exists.
func blobAt(blobs []blob, name string) int {
	for i := range blobs {
		if blobs[i].name == name {
			return i
		}
	}
	return -1
}
