package compile

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// The limits of an envelope and its parts.
const (
	maxParts   = 8
	maxLiteral = 64
)

// onlySignatures is the violation of an encoding that only signatures have.
const onlySignatures = "must not be BASE64_PERCENT, which is for signatures only"

// noLines is the violation of base64 in lines where a header is written.
const noLines = "must not be BASE64_MIME in a header, which cannot have line breaks"

// blobs checks and compiles the blobs and the parts in them.
func (c *profile) blobs() *envelope.Blobs {
	path := c.path + ".envelope.blobs"
	b := new(envelope.Blobs)
	for slot := range b.Sizes {
		b.Sizes[slot] = c.Envelope.Size(describe.Slot(slot))
	}
	pb := c.pb.GetEnvelope().GetBlobs()
	if len(pb) > envelope.MaxBlobs {
		c.Add(path, "must hold at most 8 blobs")
	}
	for _, d := range c.Envelope.Blobs[:min(envelope.MaxBlobs, len(c.Envelope.Blobs))] {
		if len(pb) > 0 {
			c.checkBlob(path, d, pb[d.Name])
		}
		b.List = append(b.List, blobOf(d))
	}
	c.count(path, b)
	for i := range b.List {
		b.List[i].Open = c.openPiece(blobPath(path, b.List[i].Name), &b.List[i], b)
	}
	return b
}

// blobPath returns the path of a blob, with its name if the name is valid.
func blobPath(path, name string) string {
	if !template.ValidName(name) {
		return path
	}
	return violation.Entry(path, name)
}

// checkBlob checks one blob.
func (c *profile) checkBlob(path string, d describe.Blob, pb *allowlistv1.Blob) {
	if !template.ValidName(d.Name) {
		c.Add(path, "must have names of 1-32 of a-z, 0-9 and _, starting with a letter")
	}
	path = blobPath(path, d.Name)
	if n := len(pb.GetParts()); n == 0 || n > maxParts {
		c.Add(path+".parts", "must hold 1-8 parts")
		return
	}
	for i, part := range pb.GetParts() {
		at := fmt.Sprintf("%s.parts[%d]", path, i)
		switch p := part.GetPiece().(type) {
		case *allowlistv1.Part_Slot_:
			if !isSlot(p.Slot) {
				c.Add(at+".slot", isRequired)
			}
		case *allowlistv1.Part_Literal:
			if p.Literal == "" || len(p.Literal) > maxLiteral {
				c.Add(at+".literal", "must have 1-64 bytes")
			}
		default:
			c.Add(at+".slot", isRequired)
		}
	}
	if d.Encoding == template.Raw && !c.rawAllowed(d) {
		c.Add(path+".encoding", "must not be RAW for binary data where only text is allowed")
	}
	if d.Encoding == template.Base64Percent {
		c.Add(path+".encoding", onlySignatures)
	}
	if d.Encoding == template.Base64MIME && c.Envelope.InHeader(d.Name) {
		c.Add(path+".encoding", noLines)
	}
}

func isSlot(slot describe.Slot) bool {
	return slot > describe.SlotLiteral && int(slot) < envelope.Slots
}

// blobOf compiles one blob.
func blobOf(d describe.Blob) envelope.Blob {
	made := envelope.Blob{Name: d.Name, Codec: template.NewCodec(d.Encoding).Lenient()}
	for _, part := range d.Parts[:min(maxParts, len(d.Parts))] {
		if !isSlot(part.Slot) {
			part.Slot = describe.SlotLiteral // arbitrary, so that the rest can be checked
		}
		made.Pieces = append(made.Pieces, envelope.Piece{Slot: part.Slot, Literal: []byte(part.Literal)})
	}
	return made
}

// rawAllowed reports whether a blob may be written as it is: anywhere if it is text, and otherwise
// only in a body that is not JSON.
func (c *profile) rawAllowed(d describe.Blob) bool {
	part := c.pb.GetSelection()
	if !c.Envelope.JSON && part.GetFields() == nil && part.GetObject() == nil && part.GetForm() == nil && !c.Envelope.InHeader(d.Name) {
		return true
	}
	for _, piece := range d.Parts {
		switch piece.Slot {
		case describe.SlotLiteral, describe.SlotAAD:
		case describe.SlotIV:
			if c.Cipher == nil || c.Cipher.IV.Source != allowlistv1.Iv_SOURCE_RANDOM_TEXT {
				return false
			}
		case describe.SlotCiphertext:
			if !c.textResult() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// textResult reports whether the protected form of a value is text.
func (c *profile) textResult() bool {
	switch c.Kind {
	case describe.KindNone:
		return true // the bytes themselves, or a JWS around them
	case describe.KindPGP:
		return !c.PGP.Binary
	default:
		return false
	}
}

// count checks that each part occurs where it must and nowhere else.
func (c *profile) count(path string, b *envelope.Blobs) {
	var count [envelope.Slots]int
	for _, blob := range b.List {
		for _, piece := range blob.Pieces {
			if piece.Slot == describe.SlotLiteral {
				continue
			}
			count[piece.Slot]++
			b.Has[piece.Slot] = true
			if c.perValue(piece.Slot) && !c.Single() && c.Envelope.InHeader(blob.Name) {
				c.Add(blobPath(path, blob.Name), fmt.Sprintf("must not hold %s in a header, since there may be several values", slotName(piece.Slot)))
			}
		}
	}
	for slot := describe.SlotLiteral + 1; int(slot) < envelope.Slots; slot++ {
		switch n, need := count[slot], c.Envelope.Places[slot].Need; {
		case need == describe.Required && n != 1:
			c.Add(path, fmt.Sprintf("must hold %s exactly once", slotName(slot)))
		case need == describe.Optional && n > 1:
			c.Add(path, fmt.Sprintf("must hold %s at most once", slotName(slot)))
		case need == describe.Forbidden && n > 0:
			c.Add(path, fmt.Sprintf("must not hold %s: the configuration has none, or it must not be sent", slotName(slot)))
			b.Sizes[slot] = 0 // one violation is enough
		}
	}
}

// perValue reports whether a part is different for each value.
func (c *profile) perValue(slot describe.Slot) bool {
	switch slot {
	case describe.SlotCiphertext, describe.SlotTag, describe.SlotMAC:
		return true
	case describe.SlotSessionHash:
		return c.GeneratedKey() == describe.PerValue
	}
	return false
}

// slotName returns a slot as the configuration names it.
func slotName(slot describe.Slot) string { return strings.TrimPrefix(slot.String(), "SLOT_") }

// openPiece returns the piece of a blob that takes the bytes that the other pieces leave, or -1.
// It checks that there is at most one.
func (c *profile) openPiece(path string, b *envelope.Blob, all *envelope.Blobs) int {
	open, wrapped, several := -1, -1, false
	for i, piece := range b.Pieces {
		switch {
		case (piece.Slot == describe.SlotWrapped || piece.Slot == describe.SlotWrappedIV) && all.Sizes[piece.Slot] == describe.Unknown:
			several, wrapped = wrapped >= 0, i
		case piece.Slot == describe.SlotLiteral || all.Sizes[piece.Slot] != describe.Unknown:
		case open >= 0:
			c.Add(path+".parts", "must hold at most one part of variable length")
		default:
			open = i
		}
	}
	switch {
	case open >= 0 && wrapped >= 0, several:
		all.Cuts = true // wrapped keys and IVs are as long as the RSA key
	case open < 0:
		open = wrapped
	}
	return open
}
