package payload

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The limits of signing.
const (
	minMACKey      = 16
	maxHeaders     = 8
	maxHeaderBytes = 256
	signatureName  = "signature"
)

// A signer signs the exact bytes of a body with an HMAC.
type signer struct {
	key     keySource
	codec   codec
	headers []headerTemplate
}

// A headerTemplate is a header whose value surrounds the signature.
type headerTemplate struct{ name, before, after string }

// signing checks and compiles the signing of a profile.
func (f *findings) signing(path string, signing *allowlistv1.Signing) *signer {
	if signing.GetMac().GetAlgorithm() != allowlistv1.Mac_ALGORITHM_HMAC_SHA256 {
		f.add(path+".mac.algorithm", "must be a known algorithm")
	}
	if len(signing.GetKeys()) != 1 {
		f.add(path+".keys", "must hold exactly 1 key")
		return nil
	}
	s := &signer{key: newKeySource(path+".keys[0]", signing.GetKeys()[0]), codec: newCodec(signing.GetEncoding())}
	if signing.GetEncoding() == allowlistv1.Encoding_ENCODING_UNSPECIFIED {
		s.codec = newCodec(allowlistv1.Encoding_ENCODING_HEX)
	}
	s.headers = f.headers(path+".headers", signing.GetHeaders())
	return s
}

// headers checks header templates and returns them ordered by name. Names are
// input, so that findings name the map only.
func (f *findings) headers(path string, headers map[string]string) []headerTemplate {
	if len(headers) == 0 || len(headers) > maxHeaders {
		f.add(path, "must hold 1-8 headers")
	}
	var (
		made []headerTemplate
		seen = make(map[string]bool, len(headers))
	)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		folded := strings.ToLower(name)
		before, after, ok := strings.Cut(headers[name], "${"+signatureName+"}")
		switch {
		case !validHeaderName(folded):
			f.add(path, "must have names of 1-64 letters, digits and -, and not of a header that HTTP itself needs")
		case seen[folded]:
			f.add(path, "must name each header once, whatever the case")
		case !ok || strings.Contains(after, "${") || strings.Contains(before, "${"):
			f.add(path, "must have ${signature} exactly once in each value, and no other placeholder")
		case !validHeaderValue(headers[name]):
			f.add(path, "must have values of at most 256 visible characters and inner blanks")
		}
		seen[folded] = true
		made = append(made, headerTemplate{name: name, before: before, after: after})
	}
	return made
}

// ReservedHeader reports whether a header, in whatever case, frames the message or
// names its receiver. What a configuration adds to a message may not be one: it could
// send what was approved for one host to another.
func ReservedHeader(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "content-encoding", "content-length", "content-type", "expect", "host",
		"keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// validHeaderName reports whether a header may carry a signature. The name is in
// lower case.
func validHeaderName(name string) bool {
	if name == "" || len(name) > 64 || ReservedHeader(name) {
		return false
	}
	for i := range len(name) {
		if !resource.Alphanumeric(name[i]) && name[i] != '-' {
			return false
		}
	}
	return true
}

func validHeaderValue(value string) bool {
	if len(value) > maxHeaderBytes || strings.TrimSpace(value) != value {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// sign returns the headers that carry the signature of body.
func (s *signer) sign(stored sensitive.Bytes, body []byte) ([]Header, error) {
	var mac []byte
	err := s.key.use(stored, func(key []byte) error {
		if len(key) < minMACKey {
			return errKeyLength
		}
		h := hmac.New(sha256.New, key)
		h.Write(body)
		mac = h.Sum(nil)
		return nil
	})
	if err != nil {
		return nil, err
	}
	signature := string(s.codec.appendEncoded(nil, mac))
	headers := make([]Header, len(s.headers))
	for i, h := range s.headers {
		headers[i] = Header{Name: h.name, Value: h.before + signature + h.after}
	}
	return headers, nil
}

// carries reports whether all of the headers came with a message.
func carries(came Headers, headers []Header) bool {
	all := 1
	for _, h := range headers {
		all &= subtle.ConstantTimeCompare([]byte(came[strings.ToLower(h.Name)]), []byte(h.Value))
	}
	return all == 1
}
