package payload

import (
	"fmt"
	"io"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

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

// textLen returns the length of the text for a ciphertext of n bytes.
func (e *envelope) textLen(n int) int {
	total := 0
	for _, literal := range e.literals {
		total += len(literal)
	}
	for i := range e.blobs {
		total += e.blobs[i].codec.encodedLen(e.blobSize(&e.blobs[i], n))
	}
	return total
}

// A scratch is memory that is used again and again. It serves one message.
type scratch struct{ memory []byte }

// A writer seals the values of one message.
type writer struct {
	*envelope
	scratch
	box    box
	random io.Reader
	ivs    []byte // of the values to come
}

func (w *writer) prepare(values int) error {
	w.ivs = make([]byte, values*w.suite.iv)
	// A short read would leave a predictable one.
	if _, err := io.ReadFull(w.random, w.ivs); err != nil {
		return fmt.Errorf("draw iv: %w", err)
	}
	return nil
}

func (w *writer) sealedLen(n int) int { return w.textLen(w.box.sealedLen(n)) }

// seal encrypts plaintext and appends the text of the envelope.
func (w *writer) seal(dst, plaintext []byte) ([]byte, error) {
	iv := w.ivs[:w.suite.iv]
	w.ivs = w.ivs[w.suite.iv:]
	n := w.box.sealedLen(len(plaintext))
	l := w.layout(n)
	raw := w.room(l.end + w.suite.tag)

	// The tag comes out behind the ciphertext, where another part may belong: it
	// is put aside before the others take their places.
	sealed := w.box.seal(raw[l.ciphertext:l.ciphertext], iv, plaintext)
	var tag [maxTag]byte
	copy(tag[:], sealed[n:])
	copy(raw[l.iv:], iv)
	copy(raw[l.tag:], tag[:w.suite.tag])

	dst = append(dst, w.literals[0]...)
	for i := range w.blobs {
		size := w.blobSize(&w.blobs[i], n)
		dst = w.blobs[i].codec.appendEncoded(dst, raw[:size])
		dst = append(dst, w.literals[i+1]...)
		raw = raw[size:]
	}
	return dst, nil
}

// A parser opens the values of one message.
type parser struct {
	*envelope
	scratch
	boxes []box
}

// open reads an envelope and decrypts what is in it with the first of the boxes
// that opens it. The plaintext is good until the next call.
func (p *parser) open(received []byte) ([]byte, error) {
	var places [maxBlobs][]byte
	found := places[:len(p.blobs)]
	if !p.reader.read(received, found) {
		return nil, errEnvelope
	}
	raw, n, ok := p.decode(found, len(p.boxes) > 1)
	if !ok {
		return nil, errDecode
	}
	l := p.layout(n)
	var (
		iv  [maxIV]byte
		tag [maxTag]byte
	)
	copy(iv[:p.suite.iv], raw[l.iv:])
	copy(tag[:p.suite.tag], raw[l.tag:])
	sealed := append(raw[:l.ciphertext+n], tag[:p.suite.tag]...)[l.ciphertext:]

	// One key opens in place. Of several, each but the last may spoil its
	// output, so that this lies behind what is opened.
	dst := sealed[:0]
	if len(p.boxes) > 1 {
		dst = raw[l.end+p.suite.tag : l.end+p.suite.tag]
	}
	for _, b := range p.boxes {
		if plaintext, ok := b.open(dst, iv[:p.suite.iv], sealed); ok {
			return plaintext, nil
		}
	}
	return nil, errCipher
}

// decode decodes the blobs behind each other and returns them with the length of
// the ciphertext. There is room behind them for a tag and, if wanted, a plaintext.
func (p *parser) decode(found [][]byte, spare bool) (raw []byte, n int, ok bool) {
	size := 0
	for i, text := range found {
		size += p.blobs[i].codec.maxDecodedLen(len(text))
	}
	if spare {
		size *= 2
	}
	raw = p.room(size + p.suite.tag)[:0]
	n = -1
	for i, text := range found {
		start := len(raw)
		if raw, ok = p.blobs[i].codec.appendDecoded(raw, text); !ok {
			return nil, 0, false
		}
		fixed, got := p.blobSize(&p.blobs[i], 0), len(raw)-start
		switch {
		case p.blobs[i].holdsCiphertext() && got >= fixed:
			n = got - fixed
		case got != fixed:
			return nil, 0, false
		}
	}
	return raw, n, true
}

// room returns n bytes of the scratch memory.
func (s *scratch) room(n int) []byte {
	if cap(s.memory) < n {
		clear(s.memory[:cap(s.memory)])
		s.memory = make([]byte, n)
	}
	return s.memory[:n]
}

// wipe zeroes the scratch memory, which may hold plaintext.
func (s *scratch) wipe() { clear(s.memory[:cap(s.memory)]) }

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
