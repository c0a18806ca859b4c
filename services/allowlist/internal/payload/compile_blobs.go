package payload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// The limits of an envelope and its parts.
const (
	maxBlobs   = 8
	maxParts   = 8
	maxLiteral = 64
	// sha256Bytes is the length of a fingerprint.
	sha256Bytes = 32
)

// noLines is the finding of base64 in lines where a header is written.
const noLines = "must not be BASE64_MIME in a header, which has no lines"

// defaultBlob is the name of the blob that is there when none is given.
const defaultBlob = "data"

// A rule says how often a part must stand in the blobs.
type rule int

const (
	forbidden rule = iota
	optional
	required
)

// slotRules say which parts the blobs of a kind hold; those that are not named are
// forbidden.
type slotRules map[allowlistv1.Part_Slot]rule

// A layout is what blobs must hold, and how long it is.
type layout struct {
	rules slotRules
	sizes sizes
}

// sized returns the layout with the lengths of parts. A part that is not named in n has
// a length that differs by message.
func (r slotRules) sized(n map[allowlistv1.Part_Slot]int) layout {
	l := layout{rules: r}
	for slot := range l.sizes {
		l.sizes[slot] = unknown
	}
	for slot, size := range n {
		l.sizes[slot] = size
	}
	l.sizes[slotCertificate], l.sizes[slotPublicKey] = sha256Bytes, sha256Bytes
	return l
}

// blobs checks and compiles the blobs and the parts in them.
func (c *profile) blobs(l layout) *blobs {
	path := c.path + ".envelope.blobs"
	b := &blobs{sizes: l.sizes}
	pb := c.GetEnvelope().GetBlobs()
	if len(pb) == 0 {
		b.list = []blob{c.defaultBlob(l.rules)}
	}
	if len(pb) > maxBlobs {
		c.add(path, "must hold at most 8 blobs")
		pb = nil
	}
	for _, name := range slices.Sorted(maps.Keys(pb)) {
		if !template.ValidName(name) {
			c.add(path, "must have names of 1-32 of a-z, 0-9 and _, starting with a letter")
		}
		b.list = append(b.list, c.blob(blobPath(path, name), name, pb[name]))
	}
	c.count(path, b, l.rules)
	for i := range b.list {
		b.list[i].open = c.openPiece(blobPath(path, b.list[i].name), &b.list[i], b)
	}
	return b
}

// blobPath returns the path of a blob, with its name if that can be one.
func blobPath(path, name string) string {
	if !template.ValidName(name) {
		return path
	}
	return violation.Entry(path, name)
}

// blob checks and compiles one blob.
func (c *profile) blob(path, name string, pb *allowlistv1.Blob) blob {
	made := blob{name: name, codec: codecOf(pb.GetEncoding(), template.Base64)}
	if n := len(pb.GetParts()); n == 0 || n > maxParts {
		c.add(path+".parts", "must hold 1-8 parts")
		return made
	}
	for i, part := range pb.GetParts() {
		at := fmt.Sprintf("%s.parts[%d]", path, i)
		switch p := part.GetPiece().(type) {
		case *allowlistv1.Part_Slot_:
			slot := p.Slot
			if slot <= slotLiteral || int(slot) >= slots {
				c.add(at+".slot", isRequired)
				slot = slotLiteral // anything, so that the rest can be looked at
			}
			made.pieces = append(made.pieces, piece{slot: slot})
		case *allowlistv1.Part_Literal:
			if p.Literal == "" || len(p.Literal) > maxLiteral {
				c.add(at+".literal", "must have 1-64 bytes")
			}
			made.pieces = append(made.pieces, piece{literal: []byte(p.Literal)})
		default:
			c.add(at+".slot", isRequired)
		}
	}
	if pb.GetEncoding() == allowlistv1.Encoding_ENCODING_RAW && !c.rawAllowed(&made, name) {
		c.add(path+".encoding", "must not be RAW where only text can stand, for bytes that are no text")
	}
	if pb.GetEncoding() == allowlistv1.Encoding_ENCODING_BASE64_MIME && c.inHeader(name) {
		c.add(path+".encoding", noLines)
	}
	return made
}

// rawAllowed reports whether a blob may be written as it is: anywhere if it is text,
// else in a body that is no JSON.
func (c *profile) rawAllowed(b *blob, name string) bool {
	if c.form() == formText && c.GetSelection().GetFields() == nil && c.GetSelection().GetObject() == nil &&
		c.GetSelection().GetForm() == nil && !c.inHeader(name) {
		return true
	}
	for _, piece := range b.pieces {
		switch piece.slot {
		case slotLiteral, slotAAD:
		case slotIV:
			if c.GetCipher().GetIv().GetSource() != allowlistv1.Iv_SOURCE_RANDOM_TEXT {
				return false
			}
		case slotCiphertext:
			if !c.textResult() {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// textResult reports whether what is made of a value is text by itself.
func (c choices) textResult() bool {
	switch c.GetKind().(type) {
	case nil:
		return true // the bytes themselves, or a JWS around them
	case *allowlistv1.Profile_Pgp:
		return !c.GetPgp().GetBinary()
	default:
		return false
	}
}

// defaultBlob returns the blob of a profile that gives none.
func (c *profile) defaultBlob(rules slotRules) blob {
	b := blob{name: defaultBlob, codec: template.NewCodec(template.Base64)}
	_, isPGP := c.GetKind().(*allowlistv1.Profile_Pgp)
	if isPGP && !c.GetPgp().GetBinary() || c.GetKind() == nil && c.GetNestedJws() != nil {
		b.codec = template.NewCodec(template.Raw)
	}
	for _, slot := range []allowlistv1.Part_Slot{slotIV, slotCiphertext, slotTag} {
		if rules[slot] == required {
			b.pieces = append(b.pieces, piece{slot: slot})
		}
	}
	return b
}

// count checks that each part stands where it must and nowhere else.
func (c *profile) count(path string, b *blobs, rules slotRules) {
	var count [slots]int
	for _, blob := range b.list {
		for _, piece := range blob.pieces {
			if piece.slot == slotLiteral {
				continue
			}
			count[piece.slot]++
			b.has[piece.slot] = true
			perValue := piece.slot == slotCiphertext || piece.slot == slotTag || piece.slot == slotMAC
			if perValue && !c.single() && c.inHeader(blob.name) {
				c.add(blobPath(path, blob.name), fmt.Sprintf("must not hold %s in a header, since there may be several values", slotName(piece.slot)))
			}
		}
	}
	for slot := slotLiteral + 1; int(slot) < slots; slot++ {
		switch n := count[slot]; {
		case rules[slot] == required && n != 1:
			c.add(path, fmt.Sprintf("must hold %s exactly once", slotName(slot)))
		case rules[slot] == optional && n > 1:
			c.add(path, fmt.Sprintf("must hold %s once at most", slotName(slot)))
		case rules[slot] == forbidden && n > 0:
			c.add(path, fmt.Sprintf("must not hold %s: there is none, or it must not be sent", slotName(slot)))
			b.sizes[slot] = 0 // one finding is enough
		}
	}
}

// slotName returns a slot as the configuration names it.
func slotName(slot allowlistv1.Part_Slot) string { return strings.TrimPrefix(slot.String(), "SLOT_") }

// openPiece returns the piece of a blob whose length is what the others leave, or -1,
// and checks that there is one at most.
func (c *profile) openPiece(path string, b *blob, all *blobs) int {
	open, wrapped := -1, -1
	for i, piece := range b.pieces {
		switch {
		case piece.slot == slotWrapped && all.sizes[slotWrapped] == unknown:
			wrapped = i
		case piece.slot == slotLiteral || all.sizes[piece.slot] != unknown:
		case open >= 0:
			c.add(path+".parts", "must hold one part at most whose length is not fixed")
		default:
			open = i
		}
	}
	switch {
	case open >= 0 && wrapped >= 0:
		all.cuts = true // the wrapped key is as long as its RSA key
	case open < 0:
		open = wrapped
	}
	return open
}

// codecOf returns the codec of an encoding; unset is the one given.
func codecOf(pb allowlistv1.Encoding, unset template.Encoding) template.Codec {
	if pb == allowlistv1.Encoding_ENCODING_UNSPECIFIED {
		return template.NewCodec(unset)
	}
	return template.NewCodec(encodingOf(pb))
}

// encodingOf returns an encoding, unset is hexadecimal.
func encodingOf(pb allowlistv1.Encoding) template.Encoding {
	switch pb {
	case allowlistv1.Encoding_ENCODING_BASE64:
		return template.Base64
	case allowlistv1.Encoding_ENCODING_BASE64URL:
		return template.Base64URL
	case allowlistv1.Encoding_ENCODING_HEX_UPPER:
		return template.HexUpper
	case allowlistv1.Encoding_ENCODING_RAW:
		return template.Raw
	case allowlistv1.Encoding_ENCODING_BASE64_MIME:
		return template.Base64MIME
	default:
		return template.Hex
	}
}
