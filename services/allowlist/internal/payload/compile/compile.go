package payload

import (
	"time"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

// compiled is a configuration that was compiled.
type compiled struct {
	pb *allowlistv1.Encryption
	// request and response describe the directions, and plans are their compiled forms.
	request, response *describe.Profile
	plans             [2]*plan
	purposes          purpose.Set
	exposed           map[string]bool
}

// compile checks a configuration and compiles it. If there are violations, the
// result is not to be used.
func compile(f *violations, pb *allowlistv1.Encryption) *compiled {
	c := &compiled{pb: new(allowlistv1.Encryption), plans: [2]*plan{new(plan), new(plan)}}
	if pb == nil {
		f.add(root, "is required")
		c.request, c.response = describe.Directions(nil)
		return c
	}
	pb = proto.CloneOf(pb)
	f.known(pb)
	f.references(pb)
	f.literals(pb)
	f.grace(pb)
	if pb.GetPreset() != nil {
		f.add(root+".preset", "must be expanded")
	}
	c.pb = pb
	c.request, c.response = describe.Directions(pb)
	f.declared(pb)
	c.purposes, c.exposed = purpose.Of(pb), purpose.Exposed(pb)
	f.conflicting = c.purposes.Conflicting()
	if pb.GetRequest() == nil {
		f.add(root+".request", "is required")
		return c
	}
	answer := c.response
	if pb.GetResponse() == nil {
		answer = nil
	}
	request := f.profile(root+".request", pb.GetRequest(), c.request, answer)
	c.plans[0] = request
	if c.request.Idle() && (pb.GetResponse() == nil || c.response.Idle()) {
		f.add(root, "must encrypt or sign in one direction at least")
	}
	if answer != nil {
		f.answer(c.request, c.response)
		c.plans[1] = f.profile(root+".response", pb.GetResponse(), c.response, nil)
	} else {
		mirror := *request
		mirror.signer, mirror.oracle = nil, safety.Oracle(c.response)
		c.plans[1] = mirror.finish()
	}
	for _, p := range c.plans {
		for _, needs := range [][]need{p.toEncrypt, p.toDecrypt} {
			for _, n := range needs {
				c.purposed(&n.source.Reference)
			}
		}
	}
	return c
}

// purposed says of a reference what its secret is used for in the configuration.
func (c *compiled) purposed(ref *Reference) {
	if ref.Usage != KeyUsage {
		return
	}
	if c.exposed[ref.Secret] {
		ref.Usage = ExposedKeyUsage
		return
	}
	ref.Purpose = c.purposes[ref.Secret]
}

// maxGrace is for how long after a rotation the version before may be good.
const maxGrace = 30 * 24 * time.Hour

// grace checks for how long previous versions are good.
func (f *violations) grace(pb *allowlistv1.Encryption) {
	grace := pb.GetRotationGrace()
	if grace != nil && (!grace.IsValid() || grace.AsDuration() < 0 || grace.AsDuration() > maxGrace) {
		f.add(root+".rotation_grace", "must be from 0 to 30 days")
	}
}

// answer checks that the message a response answers has what the response needs of it:
// one key of the right length.
func (f *violations) answer(request, response *describe.Profile) {
	if response.Cipher == nil || response.Cipher.Key != describe.KeyExchanged {
		return
	}
	field, asked, answer := root+".response.cipher.exchange_key", request.Cipher, response.Cipher
	switch {
	case asked == nil || asked.Key != describe.KeySession && asked.Key != describe.KeyAgreed:
		f.add(field, "must answer a request with a session key or an agreed key")
	case !request.Single():
		f.add(field, "must answer a request with one selected value")
	case asked.Suite.Key != answer.Suite.Key:
		f.add(field, "must answer a request whose key has the length of the response's")
	case answer.IV.Source == allowlistv1.Iv_SOURCE_PEER_FLIPPED && asked.Suite.IV != answer.Suite.IV:
		f.add(root+".response.cipher.iv.bytes", "must be the length of the request's IV")
	}
}

// A profile is compiled piece by piece.
type profile struct {
	*violations
	*describe.Profile
	pb        *allowlistv1.Profile
	path      string
	plan      *plan
	selection selection.Selection
	// response says that it is of the direction that answers, and answered that the
	// answer to it needs its key.
	response, answered bool
	// taken are the headers that the envelope has, in lower case.
	taken map[string]bool
}

// profile checks and compiles the profile of one direction; answer describes what answers it,
// if there is a profile of its own.
func (f *violations) profile(path string, pb *allowlistv1.Profile, described, answer *describe.Profile) *plan {
	c := &profile{
		violations: f, Profile: described, pb: pb, path: path, plan: &plan{acknowledged: f.legacy(path, pb)},
		response: path == root+".response",
		answered: answer != nil && answer.Cipher != nil && answer.Cipher.Key == describe.KeyExchanged,
	}
	c.plan.selection = c.selected(path + ".selection")
	switch {
	case c.Kind == describe.KindPlain:
		c.nothingBeside()
	case describe.Protects(pb):
		c.plan.nested = c.nestedJWS(path + ".nested_jws")
		c.kind()
		c.plan.needsExchange = c.Cipher != nil && c.Cipher.Key == describe.KeyExchanged
	case pb.GetSelection() != nil:
		f.add(path+".selection", "must be unset where nothing is done to what is selected")
	case c.Signing == nil:
		f.add(path, "must have a kind of encryption, a nested JWS, a signing, or several of them; plain if it is not encrypted on purpose")
	}
	if c.Signing != nil {
		c.plan.signer = c.signing(path + ".signing")
	}
	c.plan.oracle, c.plan.oneStage = safety.Oracle(c.Profile), safety.Unauthenticated(c.Profile)
	return c.plan.finish()
}

// nothingBeside refuses what would be done to the bodies of a plain direction.
func (c *profile) nothingBeside() {
	const unset = "must be unset beside plain, which leaves the body as it is"
	if c.pb.GetSelection() != nil {
		c.add(c.path+".selection", unset)
	}
	if c.pb.GetEnvelope() != nil {
		c.add(c.path+".envelope", unset)
	}
	if c.pb.GetNestedJws() != nil {
		c.add(c.path+".nested_jws", unset+": sign the message with signing")
	}
}

// kind checks and compiles what is done to the selected values, with its envelope.
func (c *profile) kind() {
	var parts *blobs
	switch c.Kind {
	case describe.KindCipher:
		s := c.cipher(c.path + ".cipher")
		s.layout = c.blobs()
		if c.Cipher.MAC != nil {
			c.mac(c.path+".cipher.mac", s)
		}
		c.plan.kind, parts = s, s.layout
	case describe.KindRSA:
		r := c.rsaDirect(c.path + ".rsa_direct")
		parts = c.blobs()
		r.certificate = parts.has[describe.SlotCertificate]
		c.plan.kind = &coded{blobs: parts, begin: r}
	case describe.KindJWE:
		c.plan.kind = c.jose(c.path + ".jose")
		return
	case describe.KindPGP:
		g := c.pgp()
		parts = c.blobs()
		c.plan.kind = &coded{blobs: parts, begin: g}
	default:
		parts = c.blobs()
		c.plan.kind = &coded{blobs: parts, begin: plain{}}
	}
	c.envelope(parts)
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
			Paths: part.Fields.GetPaths(), Text: part.Fields.GetValueForm() == allowlistv1.Fields_VALUE_FORM_STRING,
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
			c.add(field, "must be whole_body, fields, object or form")
		}
		c.plan.whole = true
		return selection.Whole()
	}
	for _, v := range wrong {
		c.add(field+"."+v.Field, v.Text)
	}
	c.selection = made
	return made
}

// suffix compiles the way to a value whose last bytes are taken.
func (c *profile) suffix(field, text string, n int) *suffix {
	path, ok := jsonbytes.ParsePath(text)
	switch {
	case c.pb.GetSelection().GetFields() == nil && c.pb.GetSelection().GetObject() == nil:
		c.add(field, "must be unset unless fields or an object are selected")
	case !ok || !path.Exact():
		c.add(field, "must be a path of at most 256 bytes: $ and then .name, ['name'] or [index]")
	case c.selection != nil && c.selection.Covers(path):
		c.add(field, "must not lead to what is encrypted")
	default:
		return &suffix{path: text, lookup: jsonbytes.NewLookup(path), bytes: n}
	}
	return nil
}
