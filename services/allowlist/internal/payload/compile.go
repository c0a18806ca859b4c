package payload

import (
	"fmt"
	"regexp"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// compile checks a configuration and compiles it. If there are findings, the
// result is not to be used.
func compile(f *findings, pb *allowlistv1.Encryption) *Config {
	if pb == nil {
		f.add(root, "is required")
		return nil
	}
	pb = proto.CloneOf(pb)
	f.known(pb)
	f.references(pb)
	config := &Config{pb: pb}
	if pb.GetRequest() == nil {
		f.add(root+".request", "is required")
		return nil
	}
	request := f.profile(root+".request", pb.GetRequest())
	config.pipelines[Request] = request
	if pb.GetResponse() != nil {
		config.pipelines[Response] = f.profile(root+".response", pb.GetResponse())
		return config
	}
	mirror := *request
	mirror.signer = nil
	config.pipelines[Response] = &mirror
	return config
}

// profile checks and compiles the profile of one direction.
func (f *findings) profile(path string, profile *allowlistv1.Profile) *Pipeline {
	p := &Pipeline{acknowledged: f.legacy(path, profile)}
	if profile.GetSigning() != nil {
		p.signer = f.signing(path+".signing", profile.GetSigning())
	}
	if profile.GetCipher() != nil {
		f.encryption(p, path, profile)
		return p
	}
	if profile.GetSigning() == nil {
		f.add(path, "must have a cipher, a signing or both")
	}
	if profile.GetSelection() != nil {
		f.add(path+".selection", "must be unset without a cipher")
	}
	if profile.GetEnvelope() != nil {
		f.add(path+".envelope", "must be unset without a cipher")
	}
	return p
}

// encryption compiles cipher, selection and envelope into the pipeline.
func (f *findings) encryption(p *Pipeline, path string, profile *allowlistv1.Profile) {
	suite, keys := f.cipher(path+".cipher", profile.GetCipher())
	p.keys, p.suite = keys, suite
	p.selection = wholeBody{}
	form := formText
	switch selection := profile.GetSelection(); {
	case selection.GetFields() != nil:
		p.selection = f.fields(path+".selection.fields", selection.GetFields())
		form = formValue
	case selection != nil && selection.GetWholeBody() == nil:
		f.add(path+".selection", "must be whole_body or fields")
	case profile.GetEnvelope().GetBody() != nil:
		if _, ok := profile.GetEnvelope().GetBody().(*allowlistv1.Envelope_Json); ok {
			form = formJSON
		}
	}
	p.envelope = f.envelope(path+".envelope", profile.GetEnvelope(), suite, form)
	p.contentType = f.contentType(path+".envelope.content_type", profile.GetEnvelope(), form)
}

// contentType returns the content type of what is sent.
func (f *findings) contentType(path string, e *allowlistv1.Envelope, form form) string {
	given := e.GetContentType()
	switch {
	case given != "":
		if !regexp.MustCompile(`^[a-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}(; ?charset=[A-Za-z0-9-]{1,32})?$`).MatchString(given) {
			f.add(path, "must be a media type")
		}
		return given
	case form == formText:
		return "text/plain"
	default:
		return "application/json"
	}
}

// fields checks and compiles a selection of values.
func (f *findings) fields(field string, pb *allowlistv1.Fields) *fields {
	field += ".paths"
	if n := len(pb.GetPaths()); n == 0 || n > maxPaths {
		f.add(field, "must hold 1-64 paths")
		return nil
	}
	paths := make([]path, len(pb.GetPaths()))
	for i, text := range pb.GetPaths() {
		at := fmt.Sprintf("%s[%d]", field, i)
		parsed, ok := parsePath(text)
		if !ok {
			f.add(at, "must be a path of at most 256 bytes: $ and then .name, ['name'], [index] or [*]")
			continue
		}
		for j, other := range paths[:i] {
			if other != nil && parsed.overlaps(other) {
				f.add(at, fmt.Sprintf("must not select what paths[%d] may select, nor lie inside it", j))
				break
			}
		}
		paths[i] = parsed
	}
	return &fields{
		paths:   pb.GetPaths(),
		steps:   newSteps(paths),
		text:    pb.GetValueForm() == allowlistv1.Fields_VALUE_FORM_STRING,
		lenient: pb.GetMissing() == allowlistv1.Fields_MISSING_SKIP,
	}
}
