package payload

import (
	"crypto"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The limits of signing.
const (
	defaultTolerance = 5 * time.Minute
	maxTolerance     = 24 * time.Hour
)

// signing checks and compiles the signing of a profile.
func (c *profile) signing(path string) *signer {
	d, pb := c.Signing, c.pb.GetSigning()
	s := &signer{keys: c.sources("signing.keys", false), list: d.List != nil, shared: d.Shared}
	s.config = signature.Config{
		Scheme: c.scheme(path), Input: d.Input, Headers: d.Headers, Encoding: d.Encoding, Tolerance: defaultTolerance, List: d.List,
	}
	if tolerance := pb.GetTolerance(); tolerance != nil {
		s.config.Tolerance = tolerance.AsDuration()
		if !tolerance.IsValid() || s.config.Tolerance <= 0 || s.config.Tolerance > maxTolerance && !c.trusted {
			c.add(path+".tolerance", "must be more than 0 and at most 24 hours")
		}
	}
	if d.Encoding == template.Base64MIME {
		c.add(path+".encoding", noLines)
	}
	c.headerNames(path+".headers", d.Headers)
	var wrong []signature.Violation
	s.compiled, wrong = signature.New(s.config)
	for _, v := range wrong {
		c.add(headerPath(path+"."+v.Field, v.Header), v.Text)
	}
	return s
}

// scheme checks how the signature is made, and returns any scheme where there is none, so that
// the rest can be looked at.
func (c *profile) scheme(path string) signature.Scheme {
	d := c.Signing
	switch scheme := c.pb.GetSigning().GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		if scheme.Mac.GetAlgorithm() == allowlistv1.Mac_ALGORITHM_UNSPECIFIED {
			c.add(path+".mac.algorithm", mustBeKnown)
		}
	case *allowlistv1.Signing_SecretDigest:
		if describe.Hash(scheme.SecretDigest.GetHash(), 0) == 0 {
			c.add(path+".secret_digest.hash", isRequired)
		}
	case *allowlistv1.Signing_Asymmetric:
		if d.Scheme == nil {
			c.add(path+".asymmetric.algorithm", mustBeKnown)
		}
	case *allowlistv1.Signing_Jws:
		jws := c.jws(path+".jws", *d.JWS)
		if d.List != nil && describe.HoldsFingerprint(jws.Header) {
			c.add(path+".jws.header", "must not hold the fingerprint of a key in a list, whose signatures are by several")
		}
		if c.pb.GetSigning().GetEncoding() != allowlistv1.Encoding_ENCODING_UNSPECIFIED {
			c.add(path+".encoding", "must be unset for a JWS")
		}
		return signature.JWS{JWS: jws}
	default:
		c.add(path, "must have a scheme")
	}
	if d.Scheme == nil {
		return signature.NewHMAC(crypto.SHA256)
	}
	return d.Scheme
}
