package payload

import (
	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// compile checks a configuration and compiles it. If there are findings, the
// result is not to be used.
func compile(f *findings, pb *allowlistv1.Encryption) *Config {
	config := &Config{pb: new(allowlistv1.Encryption), pipelines: [2]*Pipeline{new(Pipeline), new(Pipeline)}}
	if pb == nil {
		f.add(root, "is required")
		return config
	}
	pb = proto.CloneOf(pb)
	f.known(pb)
	f.references(pb)
	f.literals(pb)
	f.grace(pb)
	if pb.GetPreset() != nil {
		f.add(root+".preset", "must be expanded")
	}
	config.pb = pb
	f.declared(pb)
	config.purposes, config.exposed = purposesOf(pb), exposed(pb)
	f.conflicting = config.purposes.conflicting()
	defer func() {
		for _, s := range config.sources() {
			config.purposed(&s.Reference)
		}
	}()
	if pb.GetRequest() == nil {
		f.add(root+".request", "is required")
		return config
	}
	request := f.profile(root+".request", pb.GetRequest(), pb.GetResponse())
	config.pipelines[Request] = request
	if (choices{pb.GetRequest()}).idle() && (choices{pb.GetResponse()}).idle() {
		f.add(root, "must encrypt or sign in one direction at least")
	}
	if pb.GetResponse() != nil {
		f.answer(pb.GetRequest(), pb.GetResponse())
		config.pipelines[Response] = f.profile(root+".response", pb.GetResponse(), nil)
		return config
	}
	mirror := *request
	mirror.signer = nil
	unsigned := proto.CloneOf(pb.GetRequest())
	unsigned.Signing = nil
	mirror.oracle = choices{unsigned}.oracle()
	config.pipelines[Response] = mirror.finish()
	return config
}

// grace checks for how long previous versions are good.
func (f *findings) grace(pb *allowlistv1.Encryption) {
	grace := pb.GetRotationGrace()
	if grace != nil && (!grace.IsValid() || grace.AsDuration() < 0 || grace.AsDuration() > maxGrace) {
		f.add(root+".rotation_grace", "must be from 0 to 30 days")
	}
}

// answer checks that the message a response answers has what the response needs of it:
// one key of the right length.
func (f *findings) answer(request, response *allowlistv1.Profile) {
	if response.GetCipher().GetExchangeKey() == nil {
		return
	}
	field, asked := root+".response.cipher.exchange_key", choices{request}
	switch {
	case request.GetCipher().GetSessionKey() == nil && request.GetCipher().GetEcdh() == nil:
		f.add(field, "must answer a request with a session key or an agreed key")
	case !asked.single():
		f.add(field, "must answer a request with one selected value")
	case symmetric.SuiteOf(request.GetCipher()).Key != symmetric.SuiteOf(response.GetCipher()).Key:
		f.add(field, "must answer a request whose key has the length of the response's")
	case response.GetCipher().GetIv().GetSource() == allowlistv1.Iv_SOURCE_PEER_FLIPPED &&
		symmetric.SuiteOf(request.GetCipher()).IV != symmetric.SuiteOf(response.GetCipher()).IV:
		f.add(root+".response.cipher.iv.bytes", "must be the length of the request's IV")
	}
}

// A profile is compiled piece by piece.
type profile struct {
	*findings
	choices
	path      string
	pipeline  *Pipeline
	selection selection.Selection
	// response says that it is of the direction that answers, and answered that the
	// answer to it needs its key.
	response, answered bool
	// taken are the headers that the envelope has, in lower case.
	taken map[string]bool
}

// profile checks and compiles the profile of one direction; answer is the profile of
// what answers it, if there is one of its own.
func (f *findings) profile(path string, pb, answer *allowlistv1.Profile) *Pipeline {
	c := &profile{
		findings: f, choices: choices{pb}, path: path, pipeline: &Pipeline{acknowledged: f.legacy(path, pb)},
		response: path == root+".response", answered: answer.GetCipher().GetExchangeKey() != nil,
	}
	c.pipeline.selection = c.selected(path + ".selection")
	switch {
	case c.plain():
		c.nothingBeside()
	case Protects(pb):
		c.pipeline.nested = c.nestedJWS(path+".nested_jws", pb.GetNestedJws())
		c.kind()
		c.pipeline.needsExchange = pb.GetCipher().GetExchangeKey() != nil
	case pb.GetSelection() != nil:
		f.add(path+".selection", "must be unset where nothing is done to what is selected")
	case pb.GetSigning() == nil:
		f.add(path, "must have a kind of encryption, a nested JWS, a signing, or several of them; plain if it is not encrypted on purpose")
	}
	if pb.GetSigning() != nil {
		c.pipeline.signer = c.signing(path+".signing", pb.GetSigning())
	}
	c.pipeline.oracle, c.pipeline.oneStage = c.oracle(), c.unauthenticated()
	return c.pipeline.finish()
}

// Protects reports whether a profile does anything to bodies, as opposed to signing them or
// leaving them plain.
func Protects(p *allowlistv1.Profile) bool {
	return !choices{p}.plain() && (p.GetKind() != nil || p.GetEnvelope() != nil || p.GetNestedJws() != nil)
}

// nothingBeside refuses what would be done to the bodies of a plain direction.
func (c *profile) nothingBeside() {
	const unset = "must be unset beside plain, which leaves the body as it is"
	if c.GetSelection() != nil {
		c.add(c.path+".selection", unset)
	}
	if c.GetEnvelope() != nil {
		c.add(c.path+".envelope", unset)
	}
	if c.GetNestedJws() != nil {
		c.add(c.path+".nested_jws", unset+": sign the message with signing")
	}
}

// kind checks and compiles what is done to the selected values, with its envelope.
func (c *profile) kind() {
	p := c.pipeline
	var parts *blobs
	switch kind := c.GetKind().(type) {
	case *allowlistv1.Profile_Cipher:
		s := c.cipher(c.path+".cipher", kind.Cipher)
		s.layout = c.blobs(c.cipherSlots(s))
		if kind.Cipher.GetMac() != nil {
			s.mac = c.mac(c.path+".cipher.mac", kind.Cipher.GetMac(), s.layout)
		}
		p.kind, parts = s, s.layout
	case *allowlistv1.Profile_RsaDirect:
		r := c.rsaDirect(c.path+".rsa_direct", kind.RsaDirect)
		parts = c.blobs(slotRules{slotCiphertext: required, slotCertificate: optional, slotPublicKey: optional}.sized(nil))
		r.certificate = parts.has[slotCertificate]
		p.kind = &coded{blobs: parts, begin: r}
	case *allowlistv1.Profile_Jose:
		p.kind = c.jose(c.path+".jose", kind.Jose)
		return
	case *allowlistv1.Profile_Pgp:
		g := c.pgp(c.path+".pgp", kind.Pgp)
		parts = c.blobs(slotRules{slotCiphertext: required}.sized(nil))
		p.kind = &coded{blobs: parts, begin: g}
	default:
		parts = c.blobs(slotRules{slotCiphertext: required}.sized(nil))
		p.kind = &coded{blobs: parts, begin: plain{}}
	}
	c.envelope(parts)
}

// selected compiles the selection.
func (c *profile) selected(field string) selection.Selection {
	var made selection.Selection
	var wrong []selection.Finding
	pb := c.GetSelection()
	switch part := pb.GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		field += ".fields"
		made, wrong = selection.NewFields(selection.FieldsConfig{
			Paths: part.Fields.GetPaths(), Text: part.Fields.GetValueForm() == allowlistv1.Fields_VALUE_FORM_STRING,
			Optional: part.Fields.GetMissing() == allowlistv1.Fields_MISSING_SKIP, SkipEmpty: part.Fields.GetSkipEmpty(),
		})
	case *allowlistv1.Selection_Object:
		field += ".object"
		made, wrong = selection.NewObject(part.Object.GetPath(), c.form() == formJSON)
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
		c.pipeline.whole = true
		return selection.Whole()
	}
	for _, finding := range wrong {
		c.add(field+"."+finding.Field, finding.Text)
	}
	c.selection = made
	return made
}

// suffix compiles the way to a value whose last bytes are taken.
func (c *profile) suffix(field, text string, n int) *suffix {
	path, ok := jsonbytes.ParsePath(text)
	switch {
	case c.GetSelection().GetFields() == nil && c.GetSelection().GetObject() == nil:
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
