// Package compile checks a configuration as a whole and compiles each direction into a [Plan],
// which says how its messages are processed.
//
// It reads the description of a configuration (package describe) and reports all problems at once
// ([Violations]). Each part of a profile has a file: the cipher, the IV, the blobs, the envelope,
// JOSE and OpenPGP, and the signing.
package compile

import (
	"time"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// Config is a compiled configuration.
type Config struct {
	Proto *allowlistv1.Encryption
	// Request and response describe the directions, and plans are their compiled forms.
	Request, Response *describe.Profile
	Plans             [2]*Plan
	Purposes          purpose.Set
	// Issued are the values of responses that become versions of secrets.
	Issued  []Issued
	exposed map[string]bool
}

// Encryption checks a configuration and compiles it. If there are violations, the result must not
// be used.
func Encryption(f *Violations, pb *allowlistv1.Encryption) *Config {
	c := &Config{Proto: new(allowlistv1.Encryption), Plans: [2]*Plan{new(Plan), new(Plan)}}
	if pb == nil {
		f.Add(root, "is required")
		c.Request, c.Response = describe.Directions(nil)
		return c
	}
	pb = proto.CloneOf(pb)
	f.known(pb)
	f.references(pb)
	f.literals(pb)
	f.grace(pb)
	if pb.GetPreset() != nil {
		f.Add(root+".preset", "must be expanded")
	}
	c.Proto = pb
	c.Request, c.Response = describe.Directions(pb)
	f.declared(pb)
	c.Purposes, c.exposed = purpose.Of(pb), purpose.Exposed(pb)
	f.conflicting = c.Purposes.Conflicting()
	if pb.GetRequest() == nil {
		f.Add(root+".request", "is required")
		return c
	}
	f.unsigned = len(pb.GetIssued()) > 0 && !c.Response.SignedByPartner()
	answer := c.Response
	if pb.GetResponse() == nil {
		answer = nil
	}
	request := f.profile(root+".request", pb.GetRequest(), c.Request, answer)
	c.Plans[0] = request
	if c.Request.Idle() && (pb.GetResponse() == nil || c.Response.Idle()) {
		f.Add(root, "must encrypt or sign in at least one direction")
	}
	if answer != nil {
		f.answer(c.Request, c.Response)
		c.Plans[1] = f.profile(root+".response", pb.GetResponse(), c.Response, nil)
	} else {
		mirror := *request
		mirror.Signer, mirror.Oracle = nil, safety.Oracle(c.Response)
		c.Plans[1] = mirror.finish()
	}
	c.Issued = f.issued(pb, c.Response, c.Plans[1])
	for _, p := range c.Plans {
		for _, needs := range [][]message.Need{p.ToEncrypt, p.ToDecrypt} {
			for _, n := range needs {
				c.Purposed(&n.Reference)
			}
		}
	}
	return c
}

// Purposed adds to a reference the purpose of its secret in the configuration.
func (c *Config) Purposed(ref *message.Reference) {
	if ref.Usage != message.KeyUsage {
		return
	}
	if c.exposed[ref.Secret] {
		ref.Usage = message.ExposedKeyUsage
		return
	}
	ref.Purpose = c.Purposes[ref.Secret]
}

// maxGrace is the maximum time that the previous version may stay valid after a rotation.
const maxGrace = 30 * 24 * time.Hour

// grace checks how long previous versions stay valid.
func (f *Violations) grace(pb *allowlistv1.Encryption) {
	grace := pb.GetRotationGrace()
	if grace != nil && (!grace.IsValid() || grace.AsDuration() < 0 || grace.AsDuration() > maxGrace) {
		f.Add(root+".rotation_grace", "must be from 0 to 30 days")
	}
}

// answer checks that the request provides what its response needs: one key of the right length.
func (f *Violations) answer(request, response *describe.Profile) {
	if response.Cipher == nil || response.Cipher.Key != describe.KeyExchanged {
		return
	}
	field, asked, answer := root+".response.cipher.exchange_key", request.Cipher, response.Cipher
	switch {
	case asked == nil || asked.Key != describe.KeySession && asked.Key != describe.KeyAgreed:
		f.Add(field, "must answer a request with a session key or an agreed key")
	case !request.Single():
		f.Add(field, "must answer a request with one selected value")
	case asked.Suite.Key != answer.Suite.Key:
		f.Add(field, "must answer a request whose key has the length of the response's")
	case answer.IV.Source == allowlistv1.Iv_SOURCE_PEER_FLIPPED && asked.Suite.IV != answer.Suite.IV:
		f.Add(root+".response.cipher.iv.bytes", "must be the length of the request's IV")
	}
}

// A profile is compiled piece by piece.
type profile struct {
	*Violations
	*describe.Profile
	pb        *allowlistv1.Profile
	path      string
	plan      *Plan
	selection selection.Selection
	// response says that this is the profile of responses, and answered that the response to this
	// direction needs its key.
	response, answered bool
	// taken contains the headers of the envelope, in lower case.
	taken map[string]bool
}

// profile checks and compiles the profile of one direction. The parameter answer describes its
// response, if that has a profile.
func (f *Violations) profile(path string, pb *allowlistv1.Profile, described, answer *describe.Profile) *Plan {
	c := &profile{
		Violations: f, Profile: described, pb: pb, path: path, plan: &Plan{acknowledged: f.legacy(path, pb)},
		response: path == root+".response",
		answered: answer != nil && answer.Cipher != nil && answer.Cipher.Key == describe.KeyExchanged,
	}
	c.plan.Selection = c.selected(path + ".selection")
	if c.Outer != nil && c.Kind != describe.KindJWE {
		f.Add(path+".outer_jws", "must be unset except with jose: use nested_jws to sign what is not encrypted as a JWE")
	}
	switch {
	case c.Kind == describe.KindPlain:
		c.nothingBeside()
	case describe.Protects(pb):
		c.plan.Nested = c.nestedJWS("nested_jws", c.Nested)
		c.kind()
		c.plan.NeedsExchange = c.Cipher != nil && c.Cipher.Key == describe.KeyExchanged
	case pb.GetSelection() != nil:
		f.Add(path+".selection", "must be unset if the profile does not change the selected values")
	case c.Signing == nil:
		f.Add(path, "must have encryption, a nested JWS, signing, or several of them; set plain if messages are intentionally not encrypted")
	}
	if c.Signing != nil {
		c.plan.Signer = c.signing(path + ".signing")
	}
	c.plan.Oracle, c.plan.OneStage = safety.Oracle(c.Profile), safety.Unauthenticated(c.Profile)
	return c.plan.finish()
}

// nothingBeside refuses fields that would change the bodies of a plain direction.
func (c *profile) nothingBeside() {
	const unset = "must be unset with plain, which leaves the body as it is"
	if c.pb.GetSelection() != nil {
		c.Add(c.path+".selection", unset)
	}
	if c.pb.GetEnvelope() != nil {
		c.Add(c.path+".envelope", unset)
	}
	if c.Inner != template.Raw {
		c.Add(c.path+".plaintext_encoding", unset)
	}
	if c.pb.GetNestedJws() != nil {
		c.Add(c.path+".nested_jws", unset+": sign the message with signing")
	}
}

// kind checks and compiles the encryption of the selected values, with its envelope.
func (c *profile) kind() {
	var parts *envelope.Blobs
	switch c.Kind {
	case describe.KindCipher:
		s := c.cipher(c.path + ".cipher")
		s.Layout = c.blobs()
		if c.Cipher.MAC != nil {
			c.mac(c.path+".cipher.mac", s)
		}
		c.plan.Kind, parts = s, s.Layout
	case describe.KindRSA:
		r := c.rsaDirect(c.path + ".rsa_direct")
		parts = c.blobs()
		r.Certificate = parts.Has[describe.SlotCertificate]
		c.plan.Kind = &kind.Coded{Blobs: parts, Begin: r}
	case describe.KindJWE:
		c.plan.Kind = c.jose(c.path + ".jose")
		return
	case describe.KindPGP:
		g := c.pgp()
		parts = c.blobs()
		c.plan.Kind = &kind.Coded{Blobs: parts, Begin: g}
	case describe.KindCMS:
		g := c.cms(c.path + ".cms")
		parts = c.blobs()
		c.plan.Kind = &kind.Coded{Blobs: parts, Begin: g}
	case describe.KindFernet:
		f := c.fernet(c.path + ".fernet")
		parts = c.blobs()
		bits := safety.RandomBits(c.Profile)
		c.plan.Kind = &kind.Coded{Blobs: parts, Begin: f, RandomBits: bits, Counted: message.Counted(f.Keys, bits)}
	default:
		parts = c.blobs()
		c.plan.Kind = &kind.Coded{Blobs: parts, Begin: kind.Plain{}}
	}
	c.envelope(parts)
}

// maxTokenAge is the maximum of the greatest age of a token.
const maxTokenAge = 366 * 24 * time.Hour

// fernet checks and compiles Fernet tokens.
func (c *profile) fernet(path string) *kind.Fernet {
	age := c.pb.GetFernet().GetMaxAge()
	if age != nil && (!age.IsValid() || age.AsDuration() <= 0 || age.AsDuration() > maxTokenAge) {
		c.Add(path+".max_age", "must be more than 0 and at most 366 days")
	}
	return &kind.Fernet{Keys: c.sources("fernet.keys", false), MaxAge: c.Fernet.MaxAge}
}

// valueForms are the forms of selected values.
var valueForms = map[allowlistv1.Fields_ValueForm]selection.ValueForm{
	allowlistv1.Fields_VALUE_FORM_STRING: selection.Text,
	allowlistv1.Fields_VALUE_FORM_BASE64: selection.Base64,
	allowlistv1.Fields_VALUE_FORM_HEX:    selection.Hex,
}

// selected compiles the selection.
func (c *profile) selected(field string) selection.Selection {
	var made selection.Selection
	var wrong []selection.Violation
	pb := c.pb.GetSelection()
	switch part := pb.GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		field += ".fields"
		made, wrong = selection.NewFields(selection.FieldsConfig{
			Paths: part.Fields.GetPaths(), ValueForm: valueForms[part.Fields.GetValueForm()],
			Optional: part.Fields.GetMissing() == allowlistv1.Fields_MISSING_SKIP, SkipEmpty: part.Fields.GetSkipEmpty(),
		})
	case *allowlistv1.Selection_Object:
		field += ".object"
		made, wrong = selection.NewObject(part.Object.GetPath(), c.Envelope.JSON)
	case *allowlistv1.Selection_Form:
		field += ".form"
		made, wrong = selection.NewForm(selection.FormConfig{
			Names: part.Form.GetNames(), Optional: part.Form.GetMissing() == allowlistv1.Fields_MISSING_SKIP,
			SkipEmpty: part.Form.GetSkipEmpty(),
		})
	default:
		if pb != nil && pb.GetWholeBody() == nil {
			c.Add(field, "must be whole_body, fields, object or form")
		}
		c.plan.Whole = true
		return selection.Whole()
	}
	for _, v := range wrong {
		c.Add(field+"."+v.Field, v.Text)
	}
	c.selection = made
	return made
}

// suffix compiles the path of a value whose last bytes are used.
func (c *profile) suffix(field, text string, n int) *suffix {
	path, ok := jsonbytes.ParsePath(text)
	switch {
	case c.pb.GetSelection().GetFields() == nil && c.pb.GetSelection().GetObject() == nil:
		c.Add(field, "must be unset unless fields or an object are selected")
	case !ok || !path.Exact():
		c.Add(field, "must be a path of at most 256 bytes: $ and then .name, ['name'] or [index]")
	case c.selection != nil && c.selection.Covers(path):
		c.Add(field, "must not be the path of an encrypted value")
	default:
		return &suffix{path: text, lookup: jsonbytes.NewLookup(path), bytes: n}
	}
	return nil
}
