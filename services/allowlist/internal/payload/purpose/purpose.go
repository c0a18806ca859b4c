// Package purpose determines what the keys of a configuration are used for, and which uses of one
// key must not be combined.
//
// A chain is the sequence of all operations on the stored bytes of a KEY until an output that
// depends on them: decoding, derivation, wrap or agreement, cipher with its mode and IV rule, MAC,
// digest, signature. It is written as steps:
//
//	hex > AES-256-GCM(iv=random/12,tag=16)
//	raw > PBKDF2-SHA256(salt=sent/16,bytes=48) > AES-256-CBC(padding=pkcs7,iv=derived/16)
//	pem > RSA-OAEP(SHA256,mgf1=SHA1) > session(raw/32) > AES-256-GCM(iv=random/12,tag=16)
//	raw > SECRET-DIGEST-SHA256(*S)
//
// Public settings are omitted: URLs, bodies, templates around a signature, and headers. They can
// therefore be corrected without changing the purpose of a key.
//
// The purpose of a KEY is the set of the chains that a configuration has for it, together with
// those that it declares for others (`also_used_for`). The vault compares purposes as a whole: no
// KEY has two purposes, because one chain may be an oracle for another. Only this package decides
// what the chains of a configuration are, and which of them one KEY must not combine.
package purpose

import (
	"crypto"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A Purpose is what a KEY is used for. The zero Purpose has no chains.
type Purpose struct {
	// Chains contains the chains, one per line, sorted and without duplicates. It is a string so that
	// purposes are comparable.
	Chains string
	// Cost is the least work of the derivations in the chains, in iterations, or 0 without derivations.
	Cost uint64
	// Digest is the SHA-256 hash of Chains, which requests to the vault contain.
	Digest string
}

// List returns the chains.
func (p Purpose) List() []string {
	if p.Chains == "" {
		return nil
	}
	return strings.Split(p.Chains, "\n")
}

// add returns the purpose with an additional chain.
func (p Purpose) add(chain string, cost uint64) Purpose {
	chains := p.List()
	if !slices.Contains(chains, chain) {
		chains = append(chains, chain)
		slices.Sort(chains)
	}
	p.Chains = strings.Join(chains, "\n")
	sum := sha256.Sum256([]byte(p.Chains))
	p.Digest = string(sum[:])
	if cost > 0 && (p.Cost == 0 || cost < p.Cost) {
		p.Cost = cost
	}
	return p
}

// A Set maps the resource names of the KEY secrets of a configuration to their purposes.
type Set map[string]Purpose

// Of returns the purposes of all KEY secrets of a configuration, which need not be valid.
func Of(pb *allowlistv1.Encryption) Set {
	found := Made(pb)
	for _, declared := range pb.GetAlsoUsedFor() {
		for _, chain := range declared.GetChains() {
			found.add(declared.GetKey().GetName(), chain, 0)
		}
	}
	return found
}

// Made returns the purposes without the chains that the configuration declares for others.
func Made(pb *allowlistv1.Encryption) Set {
	made := make(Set)
	request, response := describe.Of("request", pb.GetRequest()), describe.Of("response", pb.GetResponse())
	made.profile(request, response)
	made.profile(response, nil)
	if len(pb.GetIssued()) > 0 {
		made.issues(response)
	}
	return made
}

// issues marks the chains of the keys that decrypt responses with issued values. Another endpoint, which
// would return the values to its senders, then has another purpose and cannot use these keys.
func (s Set) issues(response *describe.Profile) {
	opening := *response
	opening.Signing, opening.Nested = nil, nil
	for secret := range OfProfile(&opening) {
		before := s[secret]
		s[secret] = Purpose{}
		for _, chain := range before.List() {
			s.add(secret, chained(chain, issuedStep), before.Cost)
		}
	}
}

// issuedStep is the last step of the chains of keys that decrypt issued values.
const issuedStep = "issued"

// Exposed returns the secrets whose bytes are exposed: the keys of ciphers whose IV is the
// beginning of the key.
func Exposed(pb *allowlistv1.Encryption) map[string]bool {
	found := make(map[string]bool)
	for _, p := range []*describe.Profile{describe.Of("request", pb.GetRequest()), describe.Of("response", pb.GetResponse())} {
		if p.Cipher == nil || p.Cipher.IV.Source != allowlistv1.Iv_SOURCE_KEY_PREFIX {
			continue
		}
		for _, key := range p.List("cipher.shared_key.keys") {
			found[key.Secret] = true
		}
	}
	return found
}

// OfProfile returns the purposes of the KEY secrets of a single profile.
func OfProfile(p *describe.Profile) Set {
	found := make(Set)
	found.profile(p, nil)
	return found
}

func (s Set) add(secret, chain string, cost uint64) {
	if secret != "" {
		s[secret] = s[secret].add(chain, cost)
	}
}

// each adds a chain for all keys of a list. Asymmetric keys are always read as PEM, regardless of
// the configured decoding.
func (s Set) each(list []describe.Key, cost uint64, steps ...string) {
	for _, key := range list {
		decoding := strings.ToLower(key.Decoding.String())
		if len(key.Requirement.Pairs) > 0 {
			decoding = "pem"
		}
		s.add(key.Secret, chained(decoding, steps...), cost)
	}
}

// profile adds the chains of one direction. The parameter answer describes its response.
func (s Set) profile(p, answer *describe.Profile) {
	switch p.Kind {
	case describe.KindCipher:
		s.cipher(p, answer)
	case describe.KindRSA:
		s.each(p.List("rsa_direct.keys"), 0, rsaStep(p.RSA.OAEP), "value")
	case describe.KindJWE:
		s.jwe(p)
	case describe.KindFernet:
		s.each(p.List("fernet.keys"), 0, "FERNET")
	case describe.KindPGP:
		s.each(p.List("pgp.keys"), 0, "OpenPGP(decrypt)")
		s.each(p.List("pgp.signing_keys"), 0, "OpenPGP(sign)")
		s.each(p.List("pgp.passphrase"), 0, "OpenPGP(passphrase)")
	}
	if c := p.CMS; c != nil {
		s.each(p.List("cms.keys"), 0, rsaStep(c.OAEP), "CMS("+dashed(c.Algorithm)+")")
		s.each(p.List("cms.signing_keys"), 0, "CMS-SIGN-"+hashName(c.Hash))
	}
	if p.Nested != nil {
		s.each(p.List("nested_jws.keys"), 0, jwsStep(*p.Nested))
	}
	if p.Outer != nil {
		s.each(p.List("outer_jws.keys"), 0, jwsStep(*p.Outer))
	}
	if p.Signing != nil && p.Signing.Scheme != nil {
		for _, step := range signingSteps(p.Signing) {
			s.each(p.List("signing.keys"), 0, step)
		}
	}
}

// cipher adds the chains of a cipher.
func (s Set) cipher(p, answer *describe.Profile) {
	c := p.Cipher
	end := cipherStep(c)
	if c.MAC != nil {
		s.each(p.List("cipher.mac.key"), 0, dashed(c.MAC.Algorithm)+"(of=ciphertext)")
	}
	bytes := c.Suite.Key
	if c.IV.Source == allowlistv1.Iv_SOURCE_DERIVED {
		bytes += c.Suite.IV
	}
	if c.MAC != nil {
		bytes += c.MAC.DerivedBytes
	}
	derivation, cost := derivationStep(c.Derivation, bytes)
	switch c.Key {
	case describe.KeyShared:
		s.each(p.List("cipher.shared_key.keys"), cost, derivation, end)
	case describe.KeySession:
		wrap := rsaStep(c.Session.OAEP)
		if c.Session.Wrap == describe.WrapAES {
			wrap = "AES-KW"
		}
		session := fmt.Sprintf("session(%s/%d)", c.Session.Form, c.Session.Bytes)
		if p.Envelope.Sends(describe.SlotSessionHash) {
			session = fmt.Sprintf("session(%s/%d,hash=sent)", c.Session.Form, c.Session.Bytes)
		}
		s.each(p.List("cipher.session_key.keys"), cost, wrap, session, derivation, end+answered(answer))
	case describe.KeyAgreed:
		s.each(p.List("cipher.ecdh.keys"), cost, agreementStep(c), derivation, end+answered(answer))
	}
}

// agreementStep returns the step of a key agreement.
func agreementStep(c *describe.Cipher) string {
	step := "ECDH-" + c.CurveName
	if c.EphemeralFirst {
		step += "(ephemeral-first)"
	}
	return step
}

// answered returns the additional use of a request's key in the response.
func answered(answer *describe.Profile) string {
	if answer == nil || answer.Cipher == nil || answer.Cipher.Key != describe.KeyExchanged {
		return ""
	}
	return " & " + cipherStep(answer.Cipher)
}

// jwe adds the chains of a JSON Web Encryption.
func (s Set) jwe(p *describe.Profile) {
	j := p.JWE
	end := fmt.Sprintf("JWE(alg=%s,enc=%s", j.Alg, j.Enc)
	if iv := j.GCMIVBytes; iv != 0 && iv != 12 {
		end += fmt.Sprintf(",iv=%d", iv)
	}
	if j.Compress {
		end += ",zip=DEF"
	}
	end += ")"
	derivation, cost := "", uint64(0)
	if j.Shared() {
		derivation, cost = derivationStep(j.Derivation, 0)
	}
	s.each(p.List("jose.keys"), cost, derivation, end)
}

// jwsStep returns the step of a JSON Web Signature.
func jwsStep(j jose.JWS) string { return "JWS-" + j.Alg }

// signingSteps returns the steps of a message signature: one, unless an expression computes several
// digests or MACs with the secret.
func signingSteps(d *describe.Signing) []string {
	in := d.Strings.Input
	switch {
	case d.JWS != nil:
		return []string{jwsStep(*d.JWS)}
	case d.EncryptedDigest():
		return []string{"AES-128-CBC(iv=static,of=digest)"}
	case d.Computed && in == nil:
		return []string{"COMPUTED(*)"}
	case d.Computed:
		return in.Chains()
	case d.SecretDigest && in == nil:
		return []string{"SECRET-DIGEST-" + dashed(d.Algorithm) + "(*)"}
	case d.SecretDigest:
		return []string{"SECRET-DIGEST-" + dashed(d.Algorithm) + "(" + in.Shape() + ")"}
	case d.Shared:
		return []string{dashed(d.Algorithm) + "(of=message)"}
	default:
		return []string{"SIGN-" + dashed(d.Algorithm)}
	}
}

// stepSeparator separates the steps of a chain. No step contains it.
const stepSeparator = " > "

func chained(decoding string, steps ...string) string {
	chain := decoding
	for _, step := range steps {
		if step != "" {
			chain += stepSeparator + step
		}
	}
	return chain
}

// cipherStep returns the step of a content cipher.
func cipherStep(c *describe.Cipher) string {
	var options []string
	if c.Suite.Blocks() {
		options = append(options, "padding="+c.Suite.Padding.String())
	}
	if c.Suite.Mode != symmetric.ModeECB {
		source := strings.ToLower(dashed(strings.TrimPrefix(c.IV.Source.String(), "SOURCE_")))
		if c.IV.Wrapped {
			source = "wrapped-" + source
		}
		options = append(options, fmt.Sprintf("iv=%s/%d", source, c.Suite.IV))
	}
	if c.Suite.Tag > 0 {
		options = append(options, fmt.Sprintf("tag=%d", c.Suite.Tag))
	}
	if c.Framing.Set() {
		options = append(options, frameOption(c.Framing))
	}
	step := dashed(strings.TrimPrefix(c.Algorithm.String(), "ALGORITHM_")) + "(" + strings.Join(options, ",") + ")"
	switch {
	case c.MAC == nil:
		return step
	case c.MAC.OwnKey:
		return step + " under " + dashed(c.MAC.Algorithm) + " of another key"
	case c.MAC.DerivedBytes > 0:
		return step + fmt.Sprintf(" under %s of %d more bytes", dashed(c.MAC.Algorithm), c.MAC.DerivedBytes)
	default:
		return step + " under " + dashed(c.MAC.Algorithm)
	}
}

// frameOption returns the option of a framing. The suffix is public and has no effect on other
// messages, so it may be corrected.
func frameOption(f symmetric.Framing) string {
	option := fmt.Sprintf("frame=random/%d", f.Random)
	if f.Length {
		option += "+length"
	}
	return option
}

// derivationStep returns the step of a derivation of the given number of bytes, and its cost. It
// returns nothing without a derivation.
func derivationStep(d *describe.Derivation, bytes int) (step string, cost uint64) {
	if d == nil || d.Function == 0 {
		return "", 0
	}
	var options []string
	switch d.Function {
	case keys.Digest:
		step = "DIGEST-" + hashName(d.Hash)
		if d.Encoding != keys.EncodeRaw {
			options = append(options, "as="+strings.ToLower(dashed(d.EncodingName)))
		}
		if d.Take > 0 {
			options = append(options, fmt.Sprintf("take=%d", d.Take))
		}
	case keys.EVPBytesToKey:
		step, cost = "EVP-"+hashName(d.Hash), uint64(d.Iterations)
	case keys.PBKDF2:
		step, cost = "PBKDF2-"+hashName(d.Hash), uint64(d.Iterations)
	case keys.Scrypt:
		step, cost = "SCRYPT", uint64(d.N)
		options = append(options, fmt.Sprintf("r=%d,p=%d", d.R, d.P))
	case keys.HKDF:
		step = "HKDF-" + hashName(d.Hash)
		if d.Info != "" {
			options = append(options, "info="+digestOf(d.Info))
		}
	case keys.Counter:
		step = "COUNTER-" + hashName(d.Hash)
		if d.CounterAfter {
			options = append(options, "after")
		}
		if d.Info != "" {
			options = append(options, "info="+digestOf(d.Info))
		}
	}
	switch {
	case d.SecretSalt:
		options = append(options, "salt=secret")
	case d.Salted:
		options = append(options, fmt.Sprintf("salt=sent/%d", d.SentSalt))
	}
	if bytes > 0 {
		options = append(options, fmt.Sprintf("bytes=%d", bytes))
	}
	return step + "(" + strings.Join(options, ",") + ")", cost
}

// hashName returns the name of a hash as it is written in chains.
func hashName(h crypto.Hash) string { return strings.ReplaceAll(h.String(), "-", "") }

// rsaStep returns the step of RSA encryption; nil is PKCS #1 v1.5.
func rsaStep(o *keys.OAEP) string {
	if o == nil {
		return "RSA-PKCS1V15"
	}
	step := "RSA-OAEP(" + hashName(o.Hash)
	if o.MGF1 != 0 && o.MGF1 != o.Hash {
		step += ",mgf1=" + hashName(o.MGF1)
	}
	if o.Label != "" {
		step += ",label=" + digestOf(o.Label)
	}
	return step + ")"
}

// digestOf represents a label that the owner chooses, which could contain anything.
func digestOf(label string) string {
	sum := sha256.Sum256([]byte(label))
	return fmt.Sprintf("%x", sum[:8])
}

// dashed returns a name of the contract as it is written in chains.
func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }
