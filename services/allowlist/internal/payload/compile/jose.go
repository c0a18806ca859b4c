package compile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signing"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// jose checks and compiles a JSON Web Encryption with its envelope.
func (c *profile) jose(path string) *kind.JWE {
	d := c.JWE
	e := &kind.JWE{Options: d.JWE, General: d.General, Keys: c.sources("jose.keys", false)}
	if wrong := d.Check(); wrong != "" {
		c.Add(path, wrong)
	}
	c.joseHeader(path+".header", d.Header, e.Shared())
	if d.Derivation != nil {
		e.Derivation = c.derivation(d.Derivation)
		if !e.Shared() {
			c.Add(path+".derivation", "must be unset except for keys that both sides share")
		}
		if e.Derivation.Sent > 0 {
			c.Add(path+".derivation.salt", "must be a secret: there is no part to send it in")
		}
	}
	if len(c.pb.GetEnvelope().GetBlobs()) > 0 {
		c.Add(c.path+".envelope.blobs", "must be empty for a JWE, whose parts have fixed names")
	}
	e.Compact = c.joseEnvelope()
	e.Outer = c.outerJWS(e.Compact)
	c.severalRecipients(path)
	e.RandomBits = safety.RandomBits(c.Profile)
	e.Counted = message.Counted(e.Keys, e.RandomBits)
	return e
}

// severalRecipients checks that a message in the general JSON serialization replaces nothing but the
// envelope.
func (c *profile) severalRecipients(path string) {
	field := path + ".compatibility.several_recipients"
	switch {
	case !c.JWE.General:
	case !c.plan.Whole:
		c.Add(field, "must be unset unless the whole body is selected")
	case c.Outer != nil:
		c.Add(field, "must be unset with outer_jws: the message would not be signed")
	case c.Envelope.Outer != template.Raw:
		c.Add(field, "must be unset if the envelope encodes the body once more")
	}
}

// joseEnvelope compiles the envelope of a JWE, and reports whether it holds the compact
// serialization instead of the separate parts.
func (c *profile) joseEnvelope() (compact bool) {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	chars := base64url
	if c.JWE.Lenient {
		chars += "+/="
	}
	holes := make([]template.Hole, kind.JoseHoles)
	for i, name := range []string{"jwe", "protected", "encrypted_key", "iv", "ciphertext", "tag"} {
		holes[i] = template.Hole{Name: name, Chars: template.Chars(chars)}
	}
	holes[kind.HoleCompact].Chars = template.Chars(chars + ".")
	e, wrong := c.templates(holes)
	c.found(wrong)
	if e.Body == nil {
		c.surroundings(e)
		return true
	}
	held := heldBy(e)
	whole := []int{kind.HoleCompact}
	parts := []int{kind.HoleProtected, kind.HoleEncryptedKey, kind.HoleJOSEIV, kind.HoleJOSECiphertext, kind.HoleJOSETag}
	keyless := c.JWE.Alg == "dir" || c.JWE.Alg == "ECDH-ES"
	bare := slices.Delete(slices.Clone(parts), 1, 2)
	inHeaders := slices.ContainsFunc(e.Headers, func(h envelope.HeaderTemplate) bool { return h.Filled })
	switch {
	case !slices.Equal(held, whole) && !slices.Equal(held, parts) && (!keyless || !slices.Equal(held, bare)):
		c.Add(c.path+".envelope", "must hold ${jwe} once, or each of ${protected}, ${encrypted_key}, ${iv}, ${ciphertext} and ${tag} once")
	case inHeaders && !c.Single():
		c.Add(c.path+".envelope.headers", "must not hold parts of a JWE, since there may be several values")
	}
	c.surroundings(e)
	return slices.Contains(held, kind.HoleCompact)
}

// joseHeader checks the members of a JOSE header.
func (c *profile) joseHeader(field string, header map[string]string, shared bool) {
	if len(header) > maxHeaders {
		c.Add(field, "must hold at most 8 members")
	}
	names := regexp.MustCompile(`^[A-Za-z0-9_#-]{1,32}$`)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		member := violation.Entry(field, name)
		rest := strings.NewReplacer(describe.PublicKeyPlaceholder, "", describe.CertificatePlaceholder, "").Replace(header[name])
		switch {
		case !names.MatchString(name):
			c.Add(field, "must have names of 1-32 of A-Z, a-z, 0-9, _, # and -")
		case len(header[name]) > maxHeaderBytes:
			c.Add(member, "must have at most 256 bytes")
		case strings.Contains(rest, "${"):
			c.Add(member, "must hold no placeholders except ${public_key_sha256} and ${certificate_sha256}")
		case shared && rest != header[name]:
			c.Add(member, "must not hold the fingerprint of a key that both sides share")
		}
	}
}

// jws checks the options of a JSON Web Signature.
func (c *profile) jws(path string, j jose.JWS) jose.JWS {
	if wrong := j.Check(); wrong != "" {
		c.Add(path, wrong)
		return jose.JWS{Alg: "RS256"} // arbitrary, so that the rest can be checked
	}
	c.joseHeader(path+".header", j.Header, j.KeyBytes() > 0)
	return j
}

// nestedJWS checks and compiles a signature that holds its payload. It returns nil without one.
func (c *profile) nestedJWS(field string, jws *jose.JWS) *signing.Nested {
	if jws == nil {
		return nil
	}
	path := c.path + "." + field
	if jws.Unencoded {
		c.Add(path+".jws.unencoded_payload", "must be unset for a signature around its payload")
	}
	return &signing.Nested{Jws: c.jws(path+".jws", *jws), Keys: c.sources(field+".keys", false)}
}

// outerJWS checks and compiles the signature around a JWE. It returns nil without one.
func (c *profile) outerJWS(compact bool) *signing.Nested {
	if c.Outer == nil {
		return nil
	}
	const field = "outer_jws"
	path := c.path + "." + field
	if !compact {
		c.Add(path, "must be unset unless the envelope holds ${jwe}")
	}
	if c.pb.GetOuterJws().GetSerialization() != allowlistv1.NestedJws_SERIALIZATION_UNSPECIFIED {
		c.Add(path+".serialization", "must be unset: the signature around a JWE is compact")
	}
	return c.nestedJWS(field, c.Outer)
}

// pgp checks and compiles an OpenPGP message.
func (c *profile) pgp() *kind.OpenPGP {
	g := &kind.OpenPGP{Message: pgp.Message{Binary: c.PGP.Binary}, Keys: c.sources("pgp.keys", false), Passphrase: c.source("pgp.passphrase")}
	if c.PGP.Signs {
		g.Signers = c.sources("pgp.signing_keys", false)
	}
	return g
}
