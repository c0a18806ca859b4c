package snippet

import (
	"slices"
	"strconv"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// partName returns the variable of a part, or nothing if programs ignore it.
func partName(slot describe.Slot) string {
	return map[describe.Slot]string{
		describe.SlotIV: "iv", describe.SlotCiphertext: "ciphertext", describe.SlotTag: "tag", describe.SlotSalt: "salt",
		describe.SlotWrapped: "wrappedKey", describe.SlotMAC: "mac", describe.SlotAAD: "aad", describe.SlotEphemeral: "ephemeralKey",
		describe.SlotWrappedIV: "wrappedIv", describe.SlotSessionHash: "sessionKeyHash",
	}[slot]
}

// rsaBytes is the ciphertext length of the throwaway RSA keys.
const rsaBytes = 256

// size returns the length of a part, or [describe.Unknown] if it differs between messages.
func size(part describe.Part) int {
	if (part.Slot == describe.SlotWrapped || part.Slot == describe.SlotWrappedIV) && part.Size == describe.Unknown {
		return rsaBytes
	}
	return part.Size
}

// textLen returns the length of a blob's text if it is constant, or [describe.Unknown]. The
// length of base64 in lines may vary.
func (p *program) textLen(name string) int {
	blob, ok := p.Profile.Envelope.Blob(name)
	if !ok {
		return describe.Unknown
	}
	total := 0
	for _, part := range blob.Parts {
		n := size(part)
		if n == describe.Unknown {
			return describe.Unknown
		}
		total += n
	}
	codec := template.NewCodec(blob.Encoding)
	if !codec.FixedLen() {
		return describe.Unknown
	}
	return codec.EncodedLen(total)
}

// needed reports whether a program uses the text of a hole.
func (p *program) needed(name string) bool {
	if p.Profile.JWE != nil {
		return true
	}
	if c := p.Profile.Cipher; c != nil && c.MAC != nil && strings.Contains(c.MAC.Input, "${"+name) {
		return true
	}
	blob, _ := p.Profile.Envelope.Blob(name)
	return slices.ContainsFunc(blob.Parts, func(part describe.Part) bool { return partName(part.Slot) != "" })
}

// decodeBlobs writes the code that decodes the blobs and separates their parts.
func (p *program) decodeBlobs() {
	for _, blob := range p.Profile.Envelope.Blobs {
		text := p.texts[blob.Name]
		if text == "" {
			continue
		}
		encoded := p.encodingOf(blob.Encoding)
		if len(blob.Parts) == 1 {
			slot := blob.Parts[0].Slot
			p.parts[slot] = p.let(partName(slot), p.decode(encoded, text))
			continue
		}
		p.say("The parts of " + blob.Name + ": " + partsOf(blob) + ".")
		p.cut(p.let(camel(blob.Name)+"Bytes", p.decode(encoded, text)), blob.Parts)
	}
}

// cut writes the code that separates the parts of a blob. Parts after the one part of unknown
// length are counted from the end.
func (p *program) cut(blob string, parts []describe.Part) {
	open := slices.IndexFunc(parts, func(part describe.Part) bool { return size(part) == describe.Unknown })
	behind := 0
	if open >= 0 {
		for _, part := range parts[open+1:] {
			behind += size(part)
		}
	}
	at := 0
	for i, part := range parts {
		from, to := at, at+size(part)
		if i == open {
			to = -behind
		}
		at = to
		if name := partName(part.Slot); name != "" {
			p.parts[part.Slot] = p.let(name, p.slice(blob, from, to))
		}
	}
}

// partsOf lists the parts of a blob.
func partsOf(blob describe.Blob) string {
	words := make([]string, len(blob.Parts))
	for i, part := range blob.Parts {
		words[i] = strconv.Quote(part.Literal)
		if part.Literal == "" {
			words[i] = strings.ReplaceAll(strings.TrimPrefix(part.Slot.String(), "SLOT_"), "_", " ")
		}
	}
	return strings.Join(words, ", ")
}
