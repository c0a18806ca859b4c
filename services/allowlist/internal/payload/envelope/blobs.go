package envelope

import (
	"bytes"
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// MaxBlobs is the maximum number of blobs.
const MaxBlobs = 8

// Slots is the number of kinds of parts, plus one for literals.
const Slots = int(describe.SlotSessionHash) + 1

// Parts are the pieces of one encrypted value, by slot.
type Parts [Slots][]byte

// Sizes are the lengths of parts, by slot: [describe.Unknown] if the length differs by message.
type Sizes [Slots]int

// A Piece is a part of a blob, or a literal.
type Piece struct {
	Slot    describe.Slot
	Literal []byte
}

// A Blob is a list of pieces that are concatenated and then encoded.
type Blob struct {
	Name   string
	Pieces []Piece
	Codec  template.Codec
	// Open is the piece that takes the bytes that the others leave, or -1.
	Open int
}

// Blobs describes the blobs of one envelope. It says how parts are combined, but not what they
// are.
type Blobs struct {
	List []Blob
	// Sizes holds the lengths that are known in advance.
	Sizes Sizes
	// Has says which slots occur in a blob.
	Has [Slots]bool
	// Cuts says that the length of the wrapped key and IV must be known to cut a blob or the template.
	Cuts bool
}

// SetWrapped sets the length of everything that the RSA key of the message wraps, if it is unknown.
func (n *Sizes) SetWrapped(size int) {
	for _, slot := range []describe.Slot{describe.SlotWrapped, describe.SlotWrappedIV} {
		if n[slot] == describe.Unknown {
			n[slot] = size
		}
	}
}

// size returns the length of a piece.
func (p *Piece) size(n *Sizes) int {
	if p.Slot == describe.SlotLiteral {
		return len(p.Literal)
	}
	return n[p.Slot]
}

// size returns the length of a blob before encoding, or [describe.Unknown].
func (b *Blob) size(n *Sizes) int {
	total := 0
	for i := range b.Pieces {
		size := b.Pieces[i].size(n)
		if size == describe.Unknown {
			return describe.Unknown
		}
		total += size
	}
	return total
}

// textLen returns the length of the encoded blob as it is written, or [describe.Unknown].
func (b *Blob) textLen(n *Sizes) int {
	if size := b.size(n); size != describe.Unknown {
		return b.Codec.EncodedLen(size)
	}
	return describe.Unknown
}

// FixedLen returns the length of the encoded blob as it is read, or [describe.Unknown].
func (b *Blob) FixedLen(n *Sizes) int {
	if !b.Codec.FixedLen() {
		return describe.Unknown
	}
	return b.textLen(n)
}

// A scratch is memory that is reused for the values of one message.
type scratch struct{ memory []byte }

// room returns n bytes of the scratch memory.
func (s *scratch) room(n int) []byte {
	if cap(s.memory) < n {
		clear(s.memory[:cap(s.memory)])
		s.memory = make([]byte, n)
	}
	return s.memory[:n]
}

// Wipe zeroes the scratch memory, which may hold plaintext.
func (s *scratch) Wipe() { clear(s.memory[:cap(s.memory)]) }

// A Packer packs the parts of each value into blobs, one value after another.
type Packer struct {
	*Blobs
	scratch
	raw  []byte
	ends [MaxBlobs]int // where the blobs end in raw
}

// Begin makes room for parts of these lengths and returns the place of the ciphertext, which has
// spare capacity for a tag after it.
func (p *Packer) Begin(n *Sizes) (ciphertext []byte) {
	total, at := 0, 0
	for i := range p.List {
		for j := range p.List[i].Pieces {
			piece := &p.List[i].Pieces[j]
			if piece.Slot == describe.SlotCiphertext {
				at = total
			}
			total += piece.size(n)
		}
		p.ends[i] = total
	}
	p.raw = p.room(total + symmetric.MaxTag)
	return p.raw[at:at:len(p.raw)]
}

// errPart means that a part is missing, or that its length differs from that of its place.
var errPart = errors.New("a part does not fit its place")

// Finish copies all parts except for the ciphertext to their places. Each part must fill its
// place, because the previous bytes there may belong to another value.
func (p *Packer) Finish(n *Sizes, parts *Parts) error {
	at := 0
	for i := range p.List {
		for j := range p.List[i].Pieces {
			piece := &p.List[i].Pieces[j]
			switch piece.Slot {
			case describe.SlotLiteral:
				copy(p.raw[at:], piece.Literal)
			case describe.SlotCiphertext:
			default:
				part := parts[piece.Slot]
				if len(part) != n[piece.Slot] {
					return errPart
				}
				copy(p.raw[at:], part)
			}
			at += piece.size(n)
		}
	}
	return nil
}

// Bytes returns a blob before encoding.
func (p *Packer) Bytes(blob int) []byte {
	start := 0
	if blob > 0 {
		start = p.ends[blob-1]
	}
	return p.raw[start:p.ends[blob]]
}

// AppendText appends the encoded form of a blob.
func (p *Packer) AppendText(dst []byte, blob int) []byte {
	return p.List[blob].Codec.AppendEncoded(dst, p.Bytes(blob))
}

// TextLen returns the total length of all encoded blobs, with room for escaped line ends in JSON.
func (b *Blobs) TextLen(n *Sizes) int {
	total := 0
	for i := range b.List {
		size := max(0, b.List[i].textLen(n))
		if !b.List[i].Codec.FixedLen() {
			size += size / 32
		}
		total += size
	}
	return total
}

// Lengths fills in the lengths of the encoded blobs as they are read, as far as they are known.
func (b *Blobs) Lengths(n *Sizes, lengths []int) {
	for i := range b.List {
		lengths[i] = b.List[i].FixedLen(n)
	}
}

// An Unpacker decodes blobs and cuts them into parts.
type Unpacker struct {
	*Blobs
	scratch
	Raw  [MaxBlobs][]byte
	Free []byte // follows the decoded bytes and a tag
}

// Unpack decodes all blobs and writes their parts to p. N has the known lengths. If spare is set,
// there is room for a plaintext after the decoded bytes.
func (u *Unpacker) Unpack(found [][]byte, n *Sizes, p *Parts, spare bool) bool {
	size := symmetric.MaxTag
	for i, text := range found {
		size += u.List[i].Codec.MaxDecodedLen(len(text))
	}
	if spare {
		size *= 2
	}
	at := u.room(size)[:0]
	for i, text := range found {
		decoded, ok := u.List[i].Codec.AppendDecoded(at, text)
		if !ok || !u.List[i].cut(decoded, n, p) {
			return false
		}
		u.Raw[i] = decoded
		at = decoded[len(decoded):]
	}
	if spare {
		u.Free = at[symmetric.MaxTag:symmetric.MaxTag]
	}
	return true
}

// Sealed returns the ciphertext followed by the tag. If the tag was elsewhere, this overwrites the
// bytes after the ciphertext, so all other parts must be done with by then.
func (u *Unpacker) Sealed(p *Parts) []byte {
	ciphertext, tag := p[describe.SlotCiphertext], p[describe.SlotTag]
	n := len(ciphertext)
	if len(tag) == 0 || cap(ciphertext) > n && &ciphertext[:n+1][n] == &tag[0] {
		return ciphertext[:n+len(tag)]
	}
	var kept [symmetric.MaxTag]byte
	return append(ciphertext, kept[:copy(kept[:], tag)]...)
}

// cut cuts the bytes of a blob into its pieces.
func (b *Blob) cut(raw []byte, n *Sizes, p *Parts) bool {
	rest := len(raw)
	for i := range b.Pieces {
		if i == b.Open {
			continue
		}
		size := b.Pieces[i].size(n)
		if size == describe.Unknown {
			return false
		}
		rest -= size
	}
	if rest < 0 || rest > 0 && b.Open < 0 {
		return false
	}
	for i := range b.Pieces {
		size := rest
		if i != b.Open {
			size = b.Pieces[i].size(n)
		}
		part := raw[:size]
		raw = raw[size:]
		if b.Pieces[i].Slot == describe.SlotLiteral {
			if !bytes.Equal(part, b.Pieces[i].Literal) {
				return false
			}
			continue
		}
		p[b.Pieces[i].Slot] = part
	}
	return true
}
