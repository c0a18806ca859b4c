package payload

import (
	"bytes"
	"errors"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// maxBlobs is how many blobs there may be.
const maxBlobs = 8

// slots is how many kinds of parts there are, and one for the literals.
const slots = int(describe.SlotPublicKey) + 1

// parts are the pieces of one encrypted value, by slot.
type parts [slots][]byte

// sizes are the lengths of parts, by slot; [describe.Unknown] where it differs by message.
type sizes [slots]int

// A piece is a part of a blob, or a literal.
type piece struct {
	slot    describe.Slot
	literal []byte
}

// A blob is a list of pieces that are concatenated and then encoded.
type blob struct {
	name   string
	pieces []piece
	codec  template.Codec
	// open is the piece whose length is what the others leave, or -1.
	open int
}

// blobs are those of one envelope. They say how parts are put together, and not what
// they are.
type blobs struct {
	list []blob
	// sizes are the lengths that are known beforehand.
	sizes sizes
	// has tells which slots stand in a blob.
	has [slots]bool
	// cuts says that the length of the wrapped key has to be known to cut a blob or the
	// template.
	cuts bool
}

// size returns the length of a piece.
func (p *piece) size(n *sizes) int {
	if p.slot == describe.SlotLiteral {
		return len(p.literal)
	}
	return n[p.slot]
}

// size returns the length of a blob before encoding, or [describe.Unknown].
func (b *blob) size(n *sizes) int {
	total := 0
	for i := range b.pieces {
		size := b.pieces[i].size(n)
		if size == describe.Unknown {
			return describe.Unknown
		}
		total += size
	}
	return total
}

// textLen returns the length of the blob's text as it is written, or [describe.Unknown].
func (b *blob) textLen(n *sizes) int {
	if size := b.size(n); size != describe.Unknown {
		return b.codec.EncodedLen(size)
	}
	return describe.Unknown
}

// fixedLen returns the length of the blob's text as it is read, or [describe.Unknown].
func (b *blob) fixedLen(n *sizes) int {
	if !b.codec.FixedLen() {
		return describe.Unknown
	}
	return b.textLen(n)
}

// A scratch is memory that is used again and again. It serves one message.
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

// A packer puts the parts of one value after another into blobs.
type packer struct {
	*blobs
	scratch
	raw  []byte
	ends [maxBlobs]int // where the blobs end in raw
}

// begin makes room for parts of these lengths and returns the place of the ciphertext,
// which has the length of a tag to spare behind it.
func (p *packer) begin(n *sizes) (ciphertext []byte) {
	total, at := 0, 0
	for i := range p.list {
		for j := range p.list[i].pieces {
			piece := &p.list[i].pieces[j]
			if piece.slot == describe.SlotCiphertext {
				at = total
			}
			total += piece.size(n)
		}
		p.ends[i] = total
	}
	p.raw = p.room(total + symmetric.MaxTag)
	return p.raw[at:at:len(p.raw)]
}

// errPart means that a part is not there, or has another length than its place.
var errPart = errors.New("a part does not fit its place")

// finish puts all parts but the ciphertext into their places. Each fills its own: what
// stood there before may be of another value.
func (p *packer) finish(n *sizes, parts *parts) error {
	at := 0
	for i := range p.list {
		for j := range p.list[i].pieces {
			piece := &p.list[i].pieces[j]
			switch piece.slot {
			case describe.SlotLiteral:
				copy(p.raw[at:], piece.literal)
			case describe.SlotCiphertext:
			default:
				part := parts[piece.slot]
				if len(part) != n[piece.slot] {
					return errPart
				}
				copy(p.raw[at:], part)
			}
			at += piece.size(n)
		}
	}
	return nil
}

// bytes returns a blob before encoding.
func (p *packer) bytes(blob int) []byte {
	start := 0
	if blob > 0 {
		start = p.ends[blob-1]
	}
	return p.raw[start:p.ends[blob]]
}

// appendText appends the text of a blob.
func (p *packer) appendText(dst []byte, blob int) []byte {
	return p.list[blob].codec.AppendEncoded(dst, p.bytes(blob))
}

// textLen returns the length of the texts of all blobs, with room for the escapes of line
// ends in JSON.
func (b *blobs) textLen(n *sizes) int {
	total := 0
	for i := range b.list {
		size := max(0, b.list[i].textLen(n))
		if !b.list[i].codec.FixedLen() {
			size += size / 32
		}
		total += size
	}
	return total
}

// lengths fills in the lengths of the texts of the blobs as they are read, as far as they
// are known.
func (b *blobs) lengths(n *sizes, lengths []int) {
	for i := range b.list {
		lengths[i] = b.list[i].fixedLen(n)
	}
}

// An unpacker takes the texts of blobs apart.
type unpacker struct {
	*blobs
	scratch
	raw  [maxBlobs][]byte
	free []byte // behind all that was decoded, with a tag
}

// unpack decodes the texts of all blobs and puts the parts in them into p. N has the lengths
// that are known. Behind all there is room for a plaintext if wanted.
func (u *unpacker) unpack(found [][]byte, n *sizes, p *parts, spare bool) bool {
	size := symmetric.MaxTag
	for i, text := range found {
		size += u.list[i].codec.MaxDecodedLen(len(text))
	}
	if spare {
		size *= 2
	}
	at := u.room(size)[:0]
	for i, text := range found {
		decoded, ok := u.list[i].codec.AppendDecoded(at, text)
		if !ok || !u.list[i].cut(decoded, n, p) {
			return false
		}
		u.raw[i] = decoded
		at = decoded[len(decoded):]
	}
	if spare {
		u.free = at[symmetric.MaxTag:symmetric.MaxTag]
	}
	return true
}

// sealed returns the ciphertext with the tag behind it. If the tag stood elsewhere this
// overwrites what stands there, so that all other parts are done with by then.
func (u *unpacker) sealed(p *parts) []byte {
	ciphertext, tag := p[describe.SlotCiphertext], p[describe.SlotTag]
	n := len(ciphertext)
	if len(tag) == 0 || cap(ciphertext) > n && &ciphertext[:n+1][n] == &tag[0] {
		return ciphertext[:n+len(tag)]
	}
	var kept [symmetric.MaxTag]byte
	return append(ciphertext, kept[:copy(kept[:], tag)]...)
}

// cut cuts the bytes of a blob into its pieces.
func (b *blob) cut(raw []byte, n *sizes, p *parts) bool {
	rest := len(raw)
	for i := range b.pieces {
		if i == b.open {
			continue
		}
		size := b.pieces[i].size(n)
		if size == describe.Unknown {
			return false
		}
		rest -= size
	}
	if rest < 0 || rest > 0 && b.open < 0 {
		return false
	}
	for i := range b.pieces {
		size := rest
		if i != b.open {
			size = b.pieces[i].size(n)
		}
		part := raw[:size]
		raw = raw[size:]
		if b.pieces[i].slot == describe.SlotLiteral {
			if !bytes.Equal(part, b.pieces[i].literal) {
				return false
			}
			continue
		}
		p[b.pieces[i].slot] = part
	}
	return true
}
