package describe

import (
	"maps"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A Slot is a part of an encrypted value.
type Slot = allowlistv1.Part_Slot

// The slots by shorter names.
const (
	SlotLiteral     = allowlistv1.Part_SLOT_UNSPECIFIED
	SlotIV          = allowlistv1.Part_SLOT_IV
	SlotCiphertext  = allowlistv1.Part_SLOT_CIPHERTEXT
	SlotTag         = allowlistv1.Part_SLOT_TAG
	SlotSalt        = allowlistv1.Part_SLOT_SALT
	SlotWrapped     = allowlistv1.Part_SLOT_WRAPPED_KEY
	SlotMAC         = allowlistv1.Part_SLOT_MAC
	SlotAAD         = allowlistv1.Part_SLOT_AAD
	SlotEphemeral   = allowlistv1.Part_SLOT_EPHEMERAL_KEY
	SlotCertificate = allowlistv1.Part_SLOT_CERTIFICATE_SHA256
	SlotPublicKey   = allowlistv1.Part_SLOT_PUBLIC_KEY_SHA256
	SlotWrappedIV   = allowlistv1.Part_SLOT_WRAPPED_IV
	SlotSessionHash = allowlistv1.Part_SLOT_SESSION_KEY_SHA256
)

// Unknown is the length of a part whose length differs by message.
const Unknown = -1

// fingerprintBytes is the length of a SHA-256 fingerprint.
const fingerprintBytes = 32

// DefaultBlob is the name of the default blob, which is used if none is configured.
const DefaultBlob = "data"

// A Need says how often a part must occur in the blobs.
type Need int

// The needs.
const (
	Forbidden Need = iota
	Optional
	Required
)

// A Place says how often a part must occur in the blobs of a profile, and how long it is.
type Place struct {
	Need Need
	Size int // or Unknown
}

// An Envelope describes how the parts of a value are combined. A JWE has no blobs.
type Envelope struct {
	// Places contains the possible parts. All other parts are forbidden.
	Places map[Slot]Place
	// Blobs is ordered by name. There is at least one, unless the profile is a JWE or does not change
	// bodies.
	Blobs []Blob
	// JSON says that Body is the template of a JSON document, and not of plain text.
	JSON bool
	Body string
	// Headers contains the templates of headers, by name.
	Headers map[string]string
	// Outer encodes the finished body once more. Raw leaves it unchanged.
	Outer template.Encoding
}

// A Blob is a list of parts that are concatenated and then encoded.
type Blob struct {
	Name     string
	Encoding template.Encoding
	Parts    []Part
}

// A Part is a part of a blob: a slot or a literal.
type Part struct {
	Slot    Slot // SlotLiteral for a literal
	Literal string
	Size    int // or Unknown
}

// Size returns the length of a blob before it is encoded, or [Unknown].
func (b Blob) Size() int {
	total := 0
	for _, part := range b.Parts {
		if part.Size == Unknown {
			return Unknown
		}
		total += part.Size
	}
	return total
}

// TextLen returns the length of an encoded blob as it is read, or [Unknown].
func (b Blob) TextLen() int {
	codec, size := template.NewCodec(b.Encoding), b.Size()
	if size == Unknown || !codec.FixedLen() {
		return Unknown
	}
	return codec.EncodedLen(size)
}

// Blob returns the blob with a name.
func (e Envelope) Blob(name string) (Blob, bool) {
	for _, b := range e.Blobs {
		if b.Name == name {
			return b, true
		}
	}
	return Blob{}, false
}

// Sends reports whether a blob contains a part.
func (e Envelope) Sends(slot Slot) bool {
	return slices.ContainsFunc(e.Blobs, func(b Blob) bool {
		return slices.ContainsFunc(b.Parts, func(p Part) bool { return p.Slot == slot })
	})
}

// Size returns the length of a part, or [Unknown].
func (e Envelope) Size(slot Slot) int {
	if slot == SlotCertificate || slot == SlotPublicKey || slot == SlotSessionHash {
		return fingerprintBytes
	}
	if place, ok := e.Places[slot]; ok {
		return place.Size
	}
	return Unknown
}

// envelope describes the envelope of a profile.
func (p *Profile) envelope() Envelope {
	pb := p.pb.GetEnvelope()
	e := Envelope{Headers: pb.GetHeaders(), Outer: EncodingOf(pb.GetEncoding(), template.Raw)}
	unset := "${" + DefaultBlob + "}"
	if p.JWE != nil {
		unset = "${jwe}"
	}
	switch body := pb.GetBody().(type) {
	case *allowlistv1.Envelope_Json:
		e.JSON, e.Body = true, body.Json
	case *allowlistv1.Envelope_Text:
		e.Body = body.Text
	default:
		e.Body = unset
	}
	if p.JWE != nil || !Protects(p.pb) {
		return e
	}
	e.Places = p.places()
	if len(pb.GetBlobs()) == 0 {
		e.Blobs = []Blob{p.defaultBlob(e)}
	}
	for _, name := range slices.Sorted(maps.Keys(pb.GetBlobs())) {
		blob := pb.GetBlobs()[name]
		made := Blob{Name: name, Encoding: EncodingOf(blob.GetEncoding(), template.Base64)}
		for _, part := range blob.GetParts() {
			switch piece := part.GetPiece().(type) {
			case *allowlistv1.Part_Slot_:
				made.Parts = append(made.Parts, Part{Slot: piece.Slot, Size: e.Size(piece.Slot)})
			case *allowlistv1.Part_Literal:
				made.Parts = append(made.Parts, Part{Literal: piece.Literal, Size: len(piece.Literal)})
			}
		}
		e.Blobs = append(e.Blobs, made)
	}
	return e
}

// defaultBlob describes the blob of a profile that configures none.
func (p *Profile) defaultBlob(e Envelope) Blob {
	b := Blob{Name: DefaultBlob, Encoding: template.Base64}
	switch {
	case p.Fernet != nil:
		b.Encoding = template.Base64URLPadded
	case p.PGP != nil && !p.PGP.Binary, p.pb.GetKind() == nil && p.Nested != nil:
		b.Encoding = template.Raw
	}
	for _, slot := range []Slot{SlotIV, SlotCiphertext, SlotTag} {
		if e.Places[slot].Need == Required {
			b.Parts = append(b.Parts, Part{Slot: slot, Size: e.Size(slot)})
		}
	}
	return b
}

// places returns the parts that the blobs may contain.
func (p *Profile) places() map[Slot]Place {
	switch {
	case p.Cipher != nil:
		return p.Cipher.places()
	case p.RSA != nil:
		return map[Slot]Place{
			SlotCiphertext: {Required, Unknown}, SlotCertificate: {Optional, fingerprintBytes}, SlotPublicKey: {Optional, fingerprintBytes},
		}
	default:
		return map[Slot]Place{SlotCiphertext: {Required, Unknown}}
	}
}

// places returns the parts that the blobs of a cipher may contain.
func (c *Cipher) places() map[Slot]Place {
	all := map[Slot]Place{SlotCiphertext: {Required, Unknown}}
	if c.Suite.Tag > 0 {
		all[SlotTag] = Place{Required, c.Suite.Tag}
	}
	switch {
	case c.IV.Wrapped && c.IV.Sent() && c.Key == KeySession && c.Session.Wrap != WrapAES:
		all[SlotWrappedIV] = Place{Required, Unknown} // as long as the RSA key
	case c.IV.Sent():
		all[SlotIV] = Place{Required, c.IV.Bytes}
	case c.IV.Source == allowlistv1.Iv_SOURCE_STATIC, c.IV.Source == allowlistv1.Iv_SOURCE_ZERO,
		// With a salt that the owner chooses, it could be a piece of another endpoint's key.
		c.IV.Source == allowlistv1.Iv_SOURCE_DERIVED && c.Derivation != nil && c.Derivation.SentSalt > 0:
		all[SlotIV] = Place{Optional, c.IV.Bytes}
	}
	if c.Derivation != nil && c.Derivation.SentSalt > 0 {
		all[SlotSalt] = Place{Required, c.Derivation.SentSalt}
	}
	switch {
	case c.Key == KeySession && c.Session.Wrap == WrapAES:
		all[SlotWrapped] = Place{Required, c.Session.Form.WrappedLen(c.Session.Bytes) + 8}
	case c.Key == KeySession:
		all[SlotWrapped] = Place{Required, Unknown} // as long as the RSA key
		all[SlotCertificate], all[SlotPublicKey] = Place{Optional, fingerprintBytes}, Place{Optional, fingerprintBytes}
	case c.Key == KeyAgreed:
		all[SlotEphemeral] = Place{Required, c.ephemeralLen()}
	}
	if c.Key == KeySession && c.Session.Form == FormRaw && !c.hashesSession() {
		all[SlotSessionHash] = Place{Optional, fingerprintBytes}
	}
	if c.MAC != nil {
		all[SlotMAC] = Place{Required, c.MAC.Hash.Size()}
	}
	if c.AAD.Sent {
		all[SlotAAD] = Place{Required, Unknown}
	}
	return all
}

// ephemeralLen returns the length of an ephemeral key as it is sent.
func (c *Cipher) ephemeralLen() int {
	if c.EphemeralSPKI {
		return c.Curve.SPKILen()
	}
	return c.Curve.EphemeralLen()
}

// hashesSession reports whether the cipher's key may be a hash of the session key. A hash that is sent
// could then be the key.
func (c *Cipher) hashesSession() bool {
	return c.Derivation != nil && (c.Derivation.Function == keys.Digest || c.Derivation.Function == keys.EVPBytesToKey)
}

// Protects reports whether a profile changes bodies, as opposed to only signing them or leaving
// them plain.
func Protects(pb *allowlistv1.Profile) bool {
	_, plain := pb.GetKind().(*allowlistv1.Profile_Plain)
	return !plain && (pb.GetKind() != nil || pb.GetEnvelope() != nil || pb.GetNestedJws() != nil)
}

// InHeader reports whether a header contains a blob.
func (e Envelope) InHeader(blob string) bool {
	for _, value := range e.Headers {
		if strings.Contains(value, "${"+blob+"}") {
			return true
		}
	}
	return false
}
