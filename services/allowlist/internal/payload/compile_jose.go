package payload

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/pgp"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// jose checks and compiles a JSON Web Encryption with its envelope.
func (c *profile) jose(path string, pb *allowlistv1.Jose) *encrypted {
	e := &encrypted{jwe: jose.JWE{
		Alg: joseName(pb.GetKeyManagement().String(), "KEY_MANAGEMENT_"), Enc: joseName(pb.GetContentEncryption().String(), "CONTENT_ENCRYPTION_"),
		Header: pb.GetHeader(), IssuedAt: issuedAt(pb.GetIssuedAt()),
		GCMIVBytes: int(pb.GetCompatibility().GetGcmIvBytes()), Lenient: pb.GetCompatibility().GetLenientBase64(),
	}}
	if wrong := e.jwe.Check(); wrong != "" {
		c.add(path, wrong)
	}
	c.joseHeader(path+".header", pb.GetHeader(), e.shared())
	e.keys = shaped(c.sources(path+".keys", pb.GetKeys(), false), joseShape(e.jwe.Alg, e.jwe.KeyBytes()))
	if pb.GetDerivation() != nil {
		e.derivation = c.derivation(path+".derivation", pb.GetDerivation(), max(1, e.jwe.KeyBytes()))
		shaped(e.keys, shape{})
		if !e.shared() {
			c.add(path+".derivation", "must be unset but for keys that both sides share")
		}
		if e.derivation.sent > 0 {
			c.add(path+".derivation.salt", "must be a secret: there is no part to send it in")
		}
	}
	if len(c.GetEnvelope().GetBlobs()) > 0 {
		c.add(c.path+".envelope.blobs", "must be empty for a JWE, whose parts have names of their own")
	}
	e.compact = c.joseEnvelope(pb)
	e.randomBits = RandomBits(c.Profile)
	e.counted = counted(e.keys, e.randomBits)
	return e
}

// joseEnvelope compiles the envelope of a JWE, and reports whether it holds the compact
// serialization rather than its parts.
func (c *profile) joseEnvelope(pb *allowlistv1.Jose) (compact bool) {
	const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	chars := base64url
	if pb.GetCompatibility().GetLenientBase64() {
		chars += "+/="
	}
	holes := make([]template.Hole, joseHoles)
	for i, name := range []string{"jwe", "protected", "encrypted_key", "iv", "ciphertext", "tag"} {
		holes[i] = template.Hole{Name: name, Chars: template.Chars(chars)}
	}
	holes[holeCompact].Chars = template.Chars(chars + ".")
	e, wrong := c.templates(holes, "${jwe}")
	c.found(wrong)
	if e.body == nil {
		c.surroundings(e)
		return true
	}
	held := e.held()
	whole := []int{holeCompact}
	parts := []int{holeProtected, holeEncryptedKey, holeJOSEIV, holeJOSECiphertext, holeJOSETag}
	keyless := pb.GetKeyManagement() == allowlistv1.Jose_KEY_MANAGEMENT_DIR || pb.GetKeyManagement() == allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES
	bare := slices.Delete(slices.Clone(parts), 1, 2)
	inHeaders := slices.ContainsFunc(e.headers, func(h headerTemplate) bool { return h.filled })
	switch {
	case !slices.Equal(held, whole) && !slices.Equal(held, parts) && (!keyless || !slices.Equal(held, bare)):
		c.add(c.path+".envelope", "must hold ${jwe} once, or each of ${protected}, ${encrypted_key}, ${iv}, ${ciphertext} and ${tag} once")
	case inHeaders && !c.single():
		c.add(c.path+".envelope.headers", "must not hold parts of a JWE, since there may be several values")
	}
	c.surroundings(e)
	return slices.Contains(held, holeCompact)
}

// joseName returns an algorithm as RFC 7518 names it.
func joseName(name, prefix string) string {
	name = strings.TrimPrefix(name, prefix)
	switch name {
	case "DIR":
		return "dir"
	case "ECDH_ES_A256KW", "ECDH_ES_A128KW":
		return "ECDH-ES+" + strings.TrimPrefix(name, "ECDH_ES_")
	case "RSA1_5":
		return name
	case "EDDSA":
		return "EdDSA"
	}
	return strings.ReplaceAll(name, "_", "-")
}

func issuedAt(pb allowlistv1.IssuedAt) jose.IssuedAt {
	switch pb {
	case allowlistv1.IssuedAt_ISSUED_AT_SECONDS:
		return jose.Seconds
	case allowlistv1.IssuedAt_ISSUED_AT_MILLISECONDS:
		return jose.Milliseconds
	default:
		return jose.NoTime
	}
}

// joseHeader checks the members of a JOSE header.
func (c *profile) joseHeader(field string, header map[string]string, shared bool) {
	if len(header) > maxHeaders {
		c.add(field, "must hold at most 8 members")
	}
	names := regexp.MustCompile(`^[A-Za-z0-9_#-]{1,32}$`)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		member := violation.Entry(field, name)
		rest := strings.NewReplacer(publicKeyPlaceholder, "", certificatePlaceholder, "").Replace(header[name])
		switch {
		case !names.MatchString(name):
			c.add(field, "must have names of 1-32 of A-Z, a-z, 0-9, _, # and -")
		case len(header[name]) > maxHeaderBytes:
			c.add(member, "must have at most 256 bytes")
		case strings.Contains(rest, "${"):
			c.add(member, "must hold no placeholder but ${public_key_sha256} and ${certificate_sha256}")
		case shared && rest != header[name]:
			c.add(member, "must not hold the fingerprint of a key that both sides share")
		}
	}
}

// joseShape returns what the keys of an algorithm have to be; shared ones have so many
// bytes.
func joseShape(alg string, shared int) shape {
	switch {
	case shared > 0:
		return shape{symmetric: true, bytes: []int{shared}}
	case strings.HasPrefix(alg, "ECDH"):
		return shape{pairs: []string{"EC-P256", "EC-P384", "X25519"}}
	case alg == "ES256":
		return shape{pairs: []string{"EC-P256"}}
	case alg == "ES384":
		return shape{pairs: []string{"EC-P384"}}
	case alg == "EdDSA":
		return shape{pairs: []string{"Ed25519"}}
	default:
		return anyRSA()
	}
}

// jwsShape is the same for signatures, whose shared keys may be longer.
func jwsShape(j jose.JWS) shape {
	if j.KeyBytes() > 0 {
		return shape{symmetric: true}
	}
	return joseShape(j.Alg, 0)
}

// jws checks and compiles the options of a JSON Web Signature.
func (c *profile) jws(path string, pb *allowlistv1.Jws) jose.JWS {
	j := jose.JWS{
		Alg:    joseName(pb.GetAlgorithm().String(), "ALGORITHM_"),
		Header: pb.GetHeader(), IssuedAt: issuedAt(pb.GetIssuedAt()), Unencoded: pb.GetUnencodedPayload(),
	}
	if wrong := j.Check(); wrong != "" {
		c.add(path, wrong)
		return jose.JWS{Alg: "RS256"} // any, so that the rest can be looked at
	}
	c.joseHeader(path+".header", pb.GetHeader(), j.KeyBytes() > 0)
	return j
}

// nestedJWS checks and compiles a signature inside.
func (c *profile) nestedJWS(path string, pb *allowlistv1.NestedJws) *nested {
	if pb == nil {
		return nil
	}
	if pb.GetJws().GetUnencodedPayload() {
		c.add(path+".jws.unencoded_payload", "must be unset for a signature around its payload")
	}
	n := &nested{jws: c.jws(path+".jws", pb.GetJws()), keys: c.sources(path+".keys", pb.GetKeys(), false)}
	shaped(n.keys, jwsShape(n.jws))
	return n
}

// pgp checks and compiles an OpenPGP message.
func (c *profile) pgp(path string, pb *allowlistv1.Pgp) *openPGP {
	g := &openPGP{message: pgp.Message{Binary: pb.GetBinary()}, keys: c.sources(path+".keys", pb.GetKeys(), false)}
	if pb.GetPassphrase() != nil {
		g.passphrase = newSource(path+".passphrase", pb.GetPassphrase())
	}
	if len(pb.GetSigningKeys()) > 0 {
		g.signers = c.sources(path+".signing_keys", pb.GetSigningKeys(), false)
	}
	shaped(g.keys, shape{pgp: true})
	shaped(g.signers, shape{pgp: true})
	return g
}
