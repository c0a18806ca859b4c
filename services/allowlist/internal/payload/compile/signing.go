package compile

import (
	"crypto"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The limits of signing.
const (
	defaultTolerance = 5 * time.Minute
	maxTolerance     = 24 * time.Hour
)

// signing checks and compiles the signing of a profile.
func (c *profile) signing(path string) *signing.Signer {
	d, pb := c.Signing, c.pb.GetSigning()
	s := &signing.Signer{Keys: c.sources("signing.keys", false), List: d.List != nil, Shared: d.Shared}
	s.BeforeEncryption = d.BeforeEncryption
	s.Config = d.Config
	s.Config.Scheme, s.Config.Tolerance = c.scheme(path), defaultTolerance
	if tolerance := pb.GetTolerance(); tolerance != nil {
		s.Config.Tolerance = tolerance.AsDuration()
		if !tolerance.IsValid() || s.Config.Tolerance <= 0 || s.Config.Tolerance > maxTolerance && !c.Trusted {
			c.Add(path+".tolerance", "must be more than 0 and at most 24 hours")
		}
	}
	if d.Encoding == template.Base64MIME {
		c.Add(path+".encoding", noLines)
	}
	c.headerNames(path+".headers", d.Headers)
	var wrong []signature.Violation
	s.Compiled, wrong = signature.New(s.Config)
	for _, v := range wrong {
		c.Add(headerPath(path+"."+v.Field, v.Name), v.Text)
	}
	c.beforeEncryption(path, d)
	return s
}

// scheme checks the signature scheme. If it is missing, it returns an arbitrary one, so that the
// rest can be checked.
func (c *profile) scheme(path string) signature.Scheme {
	d := c.Signing
	switch scheme := c.pb.GetSigning().GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		if scheme.Mac.GetAlgorithm() == allowlistv1.Mac_ALGORITHM_UNSPECIFIED {
			c.Add(path+".mac.algorithm", mustBeKnown)
		}
	case *allowlistv1.Signing_SecretDigest:
		if describe.Hash(scheme.SecretDigest.GetHash(), 0) == 0 {
			c.Add(path+".secret_digest.hash", isRequired)
		}
	case *allowlistv1.Signing_Asymmetric:
		if d.Scheme == nil {
			c.Add(path+".asymmetric.algorithm", mustBeKnown)
		}
	case *allowlistv1.Signing_Jws:
		jws := c.jws(path+".jws", *d.JWS)
		if d.List != nil && describe.HoldsFingerprint(jws.Header) {
			c.Add(path+".jws.header", "must not hold the fingerprint of a key in a list, whose signatures are by several keys")
		}
		if c.pb.GetSigning().GetEncoding() != allowlistv1.Encoding_ENCODING_UNSPECIFIED {
			c.Add(path+".encoding", "must be unset for a JWS")
		}
		return signature.JWS{JWS: jws}
	case *allowlistv1.Signing_EncryptedDigest:
		if len(scheme.EncryptedDigest.GetIv()) != signature.IVBytes {
			c.Add(path+".encrypted_digest.iv", "must have 16 bytes")
		}
	case *allowlistv1.Signing_Computed:
		if c.pb.GetSigning().GetEncoding() != allowlistv1.Encoding_ENCODING_UNSPECIFIED {
			c.Add(path+".encoding", "must be unset for a computed signature: the expression encodes it")
		}
	default:
		c.Add(path, "must have a scheme")
	}
	if d.Scheme == nil {
		return signature.NewHMAC(crypto.SHA256)
	}
	return d.Scheme
}

// beforeEncryption checks what a signature adds to a body.
func (c *profile) beforeEncryption(path string, d *describe.Signing) {
	changes := len(d.FormFields)+len(d.BodyMembers) > 0
	switch {
	case d.BeforeEncryption && (c.Kind == describe.KindPlain || !describe.Protects(c.pb)):
		c.Add(path+".before_encryption", "must be unset if the message is not encrypted")
	case changes && !d.BeforeEncryption && c.Kind == describe.KindNone && describe.Protects(c.pb):
		c.Add(path, "must not add fields or members to the body of a nested JWS; set before_encryption")
	}
	if d.Strings == nil || d.Strings.Input == nil || !d.Strings.Input.Sorts() {
		return
	}
	if c.Kind != describe.KindCipher || d.BeforeEncryption {
		c.Add(path+".input_expression", "must use sorted_sha1 only to sign an encrypted body")
	}
}
