package payload

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// The limits of signing.
const (
	defaultTolerance = 5 * time.Minute
	maxTolerance     = 24 * time.Hour
	idBytes          = 16
)

// SignedString is the detail of the step of [Trace] that shows what is signed, with
// [signature.Hidden] in the place of secrets.
const SignedString = "string that is signed"

// A signer signs the messages of a direction, and verifies them.
type signer struct {
	config   signature.Config
	compiled *signature.Signer
	keys     []*source
	shared   bool // the keys are bytes, not pairs
	list     bool // all keys sign
}

// signing checks and compiles the signing of a profile.
func (c *profile) signing(path string, pb *allowlistv1.Signing) *signer {
	s := &signer{keys: c.sources(path+".keys", pb.GetKeys(), false), list: pb.GetList() != nil}
	s.config = signature.Config{
		Input: pb.GetInput(), Headers: pb.GetHeaders(), Encoding: encodingOf(pb.GetEncoding()), Tolerance: defaultTolerance,
	}
	c.scheme(path, pb, s)
	shaped(s.keys, schemeShape(s.config.Scheme))
	if list := pb.GetList(); list != nil {
		s.config.List = &signature.List{Item: list.GetItem(), Separator: list.GetSeparator()}
	}
	if tolerance := pb.GetTolerance(); tolerance != nil {
		s.config.Tolerance = tolerance.AsDuration()
		if !tolerance.IsValid() || s.config.Tolerance <= 0 || s.config.Tolerance > maxTolerance && !c.trusted {
			c.add(path+".tolerance", "must be more than 0 and at most 24 hours")
		}
	}
	if pb.GetEncoding() == allowlistv1.Encoding_ENCODING_BASE64_MIME {
		c.add(path+".encoding", noLines)
	}
	c.headerNames(path+".headers", pb.GetHeaders())
	if s.config.Scheme == nil {
		s.config.Scheme = signature.HMAC{Hash: crypto.SHA256} // any, so that the rest can be looked at
	}
	var wrong []signature.Finding
	s.compiled, wrong = signature.New(s.config)
	for _, finding := range wrong {
		c.add(headerPath(path+"."+finding.Field, finding.Header), finding.Text)
	}
	return s
}

// scheme checks and compiles how the signature is made.
func (c *profile) scheme(path string, pb *allowlistv1.Signing, s *signer) {
	switch scheme := pb.GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		if scheme.Mac.GetAlgorithm() == allowlistv1.Mac_ALGORITHM_UNSPECIFIED {
			c.add(path+".mac.algorithm", mustBeKnown)
		}
		s.config.Scheme, s.shared = signature.NewHMAC(macHash(scheme.Mac.GetAlgorithm())), true
	case *allowlistv1.Signing_SecretDigest:
		hash := hashOf(scheme.SecretDigest.GetHash(), 0)
		if hash == 0 {
			c.add(path+".secret_digest.hash", isRequired)
			hash = crypto.SHA256
		}
		s.config.Scheme, s.shared = signature.SecretDigest{Hash: hash}, true
	case *allowlistv1.Signing_Asymmetric:
		if s.config.Scheme = asymmetric(scheme.Asymmetric.GetAlgorithm()); s.config.Scheme == nil {
			c.add(path+".asymmetric.algorithm", mustBeKnown)
		}
	case *allowlistv1.Signing_Jws:
		jws := c.jws(path+".jws", scheme.Jws)
		if pb.GetList() != nil && holdsFingerprint(jws.Header) {
			c.add(path+".jws.header", "must not hold the fingerprint of a key in a list, whose signatures are by several")
		}
		s.config.Scheme, s.shared = signature.JWS{JWS: jws}, jws.KeyBytes() > 0
		if pb.GetEncoding() != allowlistv1.Encoding_ENCODING_UNSPECIFIED {
			c.add(path+".encoding", "must be unset for a JWS")
		}
	default:
		c.add(path, "must have a scheme")
	}
}

// schemeShape returns what the keys of a scheme have to be.
func schemeShape(scheme signature.Scheme) shape {
	switch scheme := scheme.(type) {
	case signature.RSA:
		return anyRSA()
	case signature.ECDSA:
		if scheme.Hash == crypto.SHA384 {
			return shape{pairs: []string{"EC-P384"}}
		}
		return shape{pairs: []string{"EC-P256"}}
	case signature.Ed25519:
		return shape{pairs: []string{"Ed25519"}}
	case signature.JWS:
		return jwsShape(scheme.JWS)
	default:
		return shape{symmetric: true}
	}
}

// asymmetric returns the scheme of an algorithm, nil if it is unknown.
func asymmetric(a allowlistv1.Asymmetric_Algorithm) signature.Scheme {
	switch a {
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256:
		return signature.RSA{Hash: crypto.SHA256}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA384:
		return signature.RSA{Hash: crypto.SHA384}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512:
		return signature.RSA{Hash: crypto.SHA512}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA1:
		return signature.RSA{Hash: crypto.SHA1}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256:
		return signature.RSA{Hash: crypto.SHA256, PSS: true}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA512:
		return signature.RSA{Hash: crypto.SHA512, PSS: true}
	case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER:
		return signature.ECDSA{Hash: crypto.SHA256}
	case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363:
		return signature.ECDSA{Hash: crypto.SHA256, P1363: true}
	case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER:
		return signature.ECDSA{Hash: crypto.SHA384}
	case allowlistv1.Asymmetric_ALGORITHM_ED25519:
		return signature.Ed25519{}
	}
	return nil
}

// macHash returns the hash of an HMAC; an unknown one is SHA-256, and a finding.
func macHash(a allowlistv1.Mac_Algorithm) crypto.Hash {
	switch a {
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA1:
		return crypto.SHA1
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA384:
		return crypto.SHA384
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA512:
		return crypto.SHA512
	case allowlistv1.Mac_ALGORITHM_HMAC_MD5:
		return crypto.MD5
	default:
		return crypto.SHA256
	}
}

// key returns one version of a key, private to sign or public to verify.
func (s *signer) key(m *message, from *source, k Key, private bool) (any, keyform.Info, error) {
	key, info, err := joseKey(from, k, s.shared, private, m.keepUnused())
	if secret, ok := key.([]byte); ok && err == nil && len(secret) == 0 {
		return nil, info, from.unusable(keys.ErrSize)
	}
	return key, info, err
}

// withFingerprints returns the compiled signer with the fingerprints of a key in its JOSE header.
func (s *signer) withFingerprints(from *source, info keyform.Info) (*signature.Signer, error) {
	jws, ok := s.config.Scheme.(signature.JWS)
	if !ok || !holdsFingerprint(jws.Header) {
		return s.compiled, nil
	}
	header, err := fingerprinted(from, jws.Header, info)
	if err != nil {
		return nil, err
	}
	config := s.config
	jws.Header = header
	config.Scheme = jws
	made, wrong := signature.New(config)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("make signer: %s", wrong[0].Text)
	}
	return made, nil
}

// sign returns the headers that carry the signature of a message that goes out.
func (s *signer) sign(m *message, out *Output) error {
	signing := s.keys[:1]
	if s.list {
		signing = s.keys
	}
	var all []any
	defer func() { clearKeys(all) }()
	compiled := s.compiled
	for i, c := range m.ring.candidates(signing) {
		if !s.list && i > 0 {
			break
		}
		key, info, err := s.key(m, c.source, c.Key, true)
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return err
		}
		all = append(all, key)
		m.ring.use(c.source, c.Version)
		if i == 0 {
			if compiled, err = s.withFingerprints(c.source, info); err != nil {
				return err
			}
		}
	}
	signed := s.message(m, out.Body, m.Body, true)
	if out.ContentType != "" {
		signed.ContentType = out.ContentType
	}
	if signed.ID == "" && s.compiled.NeedsID() {
		id := make([]byte, idBytes)
		if _, err := io.ReadFull(m.Random, id); err != nil {
			return fmt.Errorf("draw id: %w", err)
		}
		signed.ID = base64.RawURLEncoding.EncodeToString(id)
	}
	headers, err := compiled.Sign(m.Random, all, signed)
	if err != nil {
		return s.refused(err)
	}
	if m.Trace != nil {
		text, err := compiled.SignedString(signed)
		if err != nil {
			return s.refused(err)
		}
		m.Trace("sign", SignedString, text)
	}
	for _, h := range headers {
		out.Headers = append(out.Headers, Header(h))
		m.traced("sign", "signature header", []byte(h.Value))
	}
	out.ID, out.Time = signed.ID, signed.Time
	return nil
}

// message returns what is signed.
func (s *signer) message(m *message, body, plaintext []byte, known bool) signature.Message {
	at := m.Context.Time
	if at.IsZero() {
		at = m.Now
	}
	return signature.Message{
		Body: body, Plaintext: plaintext, PlaintextKnown: known, Time: at, ID: m.Context.ID,
		Method: m.Context.Method, Host: m.Context.Host, Path: m.Context.Path, Query: m.Context.Query,
		ContentType: m.ContentType, KeepUnused: m.keepUnused(),
	}
}

// refused returns the refusal of what cannot be signed or verified as it is.
func (s *signer) refused(err error) error {
	if wanting, ok := errors.AsType[*signature.ValueError](err); ok {
		if path, ofBody := strings.CutPrefix(wanting.Name, "json:"); ofBody {
			return notEncryptable("a value that is signed is missing", path)
		}
		return fault.Fields(fault.Violation{Field: "context." + wanting.Name, Description: "is required: the signature covers it"})
	}
	switch {
	case errors.Is(err, signature.ErrKey):
		return s.keys[0].unusable(err)
	case errors.Is(err, signature.ErrTooLong):
		return notEncryptable("what is signed is longer than 64 MiB", "")
	}
	return err
}

// verify checks the signature of a message that came in, which has this plaintext if it
// is known.
func (s *signer) verify(m *message, plaintext []byte, known bool, out *Output) error {
	var all []any
	defer func() { clearKeys(all) }()
	var by []candidate
	for _, c := range m.ring.candidates(s.keys) {
		key, _, err := s.key(m, c.source, c.Key, false)
		switch {
		case err != nil && c.previous:
			continue
		case err != nil:
			return err
		}
		all, by = append(all, key), append(by, c)
	}
	verified, err := s.compiled.Verify(all, s.message(m, m.Body, plaintext, known), func(name string) (string, bool) {
		value, ok := m.Headers[name]
		return value, ok
	})
	if wanting, ok := errors.AsType[*signature.ValueError](err); ok && strings.HasPrefix(wanting.Name, "json:") {
		return notSigned(misfit{"The plaintext, of which a value is signed, is not known."})
	}
	wrong, _ := errors.AsType[*signature.InvalidError](err)
	switch {
	case wrong != nil:
		return notSigned(misfit{wrong.Cause})
	case errors.Is(err, signature.ErrTooLong):
		return notSigned(misfit{"What is signed is longer than 64 MiB."})
	case err != nil:
		return s.refused(err)
	}
	out.ID, out.Time = verified.ID, verified.Time
	m.ring.use(by[verified.Key].source, by[verified.Key].Version)
	return nil
}

// clearKeys zeroes keys that are bytes.
func clearKeys(all []any) {
	for _, key := range all {
		if secret, ok := key.([]byte); ok {
			clear(secret)
		}
	}
}
