package payload

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// # Purposes
//
// A chain is everything that is done to the stored bytes of a KEY until something leaves
// that depends on them: decoding, derivation, wrap or agreement, cipher with its mode and IV
// rule, MAC, digest, signature. It is written as steps:
//
//	hex > AES-256-GCM(iv=random/12,tag=16)
//	raw > PBKDF2-SHA256(salt=sent/16,bytes=48) > AES-256-CBC(padding=pkcs7,iv=derived/16)
//	pem > RSA-OAEP(SHA256,mgf1=SHA1) > session(raw/32) > AES-256-GCM(iv=random/12,tag=16)
//	raw > SECRET-DIGEST-SHA256(*S)
//
// What is public is left out: URLs, bodies, templates around a signature, headers. So they
// can be corrected without changing the purpose of a key.
//
// The purpose of a KEY is the set of the chains that a configuration has for it, with those
// that it declares for others (`also_used_for`). The vault compares purposes as wholes: no
// KEY serves two, since one chain may be an oracle for another. This file is the one place
// that says what the chains of a configuration are; [conflicts] says which of them one KEY
// must not have both of.

// A Purpose is what a KEY is used for. The zero Purpose is none.
type Purpose struct {
	// Chains are the chains, sorted, each once, in lines. As text, purposes can be compared.
	Chains string
	// Cost is the least work of the derivations among them, in iterations; 0: there is none.
	Cost uint64
	// Digest is the SHA-256 of Chains: what the vault is asked for.
	Digest string
}

// List returns the chains.
func (p Purpose) List() []string {
	if p.Chains == "" {
		return nil
	}
	return strings.Split(p.Chains, "\n")
}

// add returns the purpose with another chain.
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

// purposes are those of the KEY secrets of a configuration, by their resource names.
type purposes map[string]Purpose

// purposesOf returns the purposes of all KEY secrets of a configuration.
func purposesOf(pb *allowlistv1.Encryption) purposes {
	found := madeOf(pb)
	for _, declared := range pb.GetAlsoUsedFor() {
		for _, chain := range declared.GetChains() {
			found.add(declared.GetKey(), chain, 0)
		}
	}
	return found
}

// madeOf returns the purposes without what the configuration declares for others.
func madeOf(pb *allowlistv1.Encryption) purposes {
	made := make(purposes)
	made.profile(pb.GetRequest(), pb.GetResponse())
	made.profile(pb.GetResponse(), nil)
	return made
}

// exposed returns the secrets whose bytes show: the keys of ciphers whose IV is the beginning
// of the key.
func exposed(pb *allowlistv1.Encryption) map[string]bool {
	found := make(map[string]bool)
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		if profile.GetCipher().GetIv().GetSource() != allowlistv1.Iv_SOURCE_KEY_PREFIX {
			continue
		}
		for _, key := range profile.GetCipher().GetSharedKey().GetKeys() {
			found[key.GetName()] = true
		}
	}
	return found
}

// purposed says of a reference what its secret is used for in the configuration.
func (c *Config) purposed(ref *Reference) {
	if ref.Usage != KeyUsage {
		return
	}
	if c.exposed[ref.Secret] {
		ref.Usage = ExposedKeyUsage
		return
	}
	ref.Purpose = c.purposes[ref.Secret]
}

// Purposes returns the purposes of the KEY secrets of a configuration that need not be valid,
// by their names, without those whose bytes show.
func Purposes(pb *allowlistv1.Encryption) map[string]Purpose {
	found := purposesOf(pb)
	for name := range exposed(pb) {
		delete(found, name)
	}
	return found
}

// KeyPurposes returns the purposes of the KEY secrets of a configuration, by their names.
func (c *Config) KeyPurposes() map[string]Purpose {
	return maps.Clone(c.purposes)
}

// OnlySigns reports whether a KEY secret serves signatures of messages alone, in this and, since
// all have the same purpose, in every configuration.
func (c *Config) OnlySigns(secret string) bool {
	rest := proto.CloneOf(c.pb)
	for _, profile := range []*allowlistv1.Profile{rest.GetRequest(), rest.GetResponse()} {
		if profile != nil {
			profile.Signing = nil
		}
	}
	_, used := purposesOf(rest)[secret]
	return !used
}

// ProfilePurposes returns the purposes of KEY secrets in one profile alone.
func ProfilePurposes(profile *allowlistv1.Profile) map[string]Purpose {
	found := make(purposes)
	found.profile(profile, nil)
	return found
}

func (p purposes) add(ref *allowlistv1.SecretRef, chain string, cost uint64) {
	if ref.GetName() != "" {
		p[ref.GetName()] = p[ref.GetName()].add(chain, cost)
	}
}

// each adds a chain for all keys of a list.
func (p purposes) each(refs []*allowlistv1.SecretRef, cost uint64, steps ...string) {
	for _, ref := range refs {
		p.add(ref, chainOf(ref, steps...), cost)
	}
}

// pairs is each for keys that are asymmetric: they are read as PEM, whatever is said.
func (p purposes) pairs(refs []*allowlistv1.SecretRef, cost uint64, steps ...string) {
	for _, ref := range refs {
		p.add(ref, chained("pem", steps...), cost)
	}
}

// profile adds the chains of one direction. Answer is the profile of what answers it.
func (p purposes) profile(pb, answer *allowlistv1.Profile) {
	c := choices{pb}
	switch kind := pb.GetKind().(type) {
	case *allowlistv1.Profile_Cipher:
		p.cipher(c, answer)
	case *allowlistv1.Profile_RsaDirect:
		p.pairs(kind.RsaDirect.GetKeys(), 0, rsaStep(kind.RsaDirect.GetOaep()), "value")
	case *allowlistv1.Profile_Jose:
		p.jose(kind.Jose)
	case *allowlistv1.Profile_Pgp:
		p.each(kind.Pgp.GetKeys(), 0, "OpenPGP(decrypt)")
		p.each(kind.Pgp.GetSigningKeys(), 0, "OpenPGP(sign)")
		if passphrase := kind.Pgp.GetPassphrase(); passphrase != nil {
			p.add(passphrase, chainOf(passphrase, "OpenPGP(passphrase)"), 0)
		}
	}
	if nested := pb.GetNestedJws(); nested != nil {
		p.jws(nested.GetKeys(), nested.GetJws())
	}
	p.signing(pb.GetSigning())
}

// cipher adds the chains of a cipher.
func (p purposes) cipher(c choices, answer *allowlistv1.Profile) {
	pb := c.GetCipher()
	end := cipherStep(pb)
	if apart := pb.GetMac().GetKey(); apart != nil {
		p.add(apart, chainOf(apart, macStep(pb.GetMac().GetAlgorithm())+"(of=ciphertext)"), 0)
	}
	bytes := symmetric.SuiteOf(pb).Key
	if pb.GetIv().GetSource() == allowlistv1.Iv_SOURCE_DERIVED {
		bytes += symmetric.SuiteOf(pb).IV
	}
	switch key := pb.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		derivation, cost := derivationStep(key.SharedKey.GetDerivation(), bytes)
		p.each(key.SharedKey.GetKeys(), cost, derivation, end)
	case *allowlistv1.Cipher_SessionKey:
		derivation, cost := derivationStep(key.SessionKey.GetDerivation(), bytes)
		steps := []string{sessionStep(key.SessionKey, symmetric.SuiteOf(pb).Key), derivation, end + answered(answer)}
		if key.SessionKey.GetAesKw() != nil {
			p.each(key.SessionKey.GetKeys(), cost, append([]string{"AES-KW"}, steps...)...)
			return
		}
		p.pairs(key.SessionKey.GetKeys(), cost, append([]string{rsaStep(key.SessionKey.GetRsaOaep())}, steps...)...)
	case *allowlistv1.Cipher_Ecdh:
		derivation, cost := derivationStep(key.Ecdh.GetDerivation(), bytes)
		p.pairs(key.Ecdh.GetKeys(), cost, "ECDH-"+enumName(key.Ecdh.GetCurve().String(), "CURVE_"), derivation, end+answered(answer))
	}
}

// answered returns what the key of a request does besides for the answer.
func answered(answer *allowlistv1.Profile) string {
	if answer.GetCipher().GetExchangeKey() == nil {
		return ""
	}
	return " & " + cipherStep(answer.GetCipher())
}

// jose adds the chains of a JWE.
func (p purposes) jose(pb *allowlistv1.Jose) {
	alg := joseName(pb.GetKeyManagement().String(), "KEY_MANAGEMENT_")
	end := fmt.Sprintf("JWE(alg=%s,enc=%s", alg, joseName(pb.GetContentEncryption().String(), "CONTENT_ENCRYPTION_"))
	if iv := pb.GetCompatibility().GetGcmIvBytes(); iv != 0 && iv != 12 {
		end += fmt.Sprintf(",iv=%d", iv)
	}
	end += ")"
	if strings.HasPrefix(alg, "RSA") || strings.HasPrefix(alg, "ECDH") {
		p.pairs(pb.GetKeys(), 0, end)
		return
	}
	derivation, cost := derivationStep(pb.GetDerivation(), 0)
	p.each(pb.GetKeys(), cost, derivation, end)
}

// jws adds the chains of a JSON Web Signature.
func (p purposes) jws(refs []*allowlistv1.SecretRef, pb *allowlistv1.Jws) {
	alg := joseName(pb.GetAlgorithm().String(), "ALGORITHM_")
	if strings.HasPrefix(alg, "HS") {
		p.each(refs, 0, "JWS-"+alg)
		return
	}
	p.pairs(refs, 0, "JWS-"+alg)
}

// signing adds the chains of what signs a message.
func (p purposes) signing(pb *allowlistv1.Signing) {
	switch scheme := pb.GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		p.each(pb.GetKeys(), 0, macStep(scheme.Mac.GetAlgorithm())+"(of=message)")
	case *allowlistv1.Signing_SecretDigest:
		hash := enumName(scheme.SecretDigest.GetHash().String(), "HASH_")
		p.each(pb.GetKeys(), 0, "SECRET-DIGEST-"+hash+"("+signature.Shape(pb.GetInput())+")")
	case *allowlistv1.Signing_Asymmetric:
		p.pairs(pb.GetKeys(), 0, "SIGN-"+enumName(scheme.Asymmetric.GetAlgorithm().String(), "ALGORITHM_"))
	case *allowlistv1.Signing_Jws:
		p.jws(pb.GetKeys(), scheme.Jws)
	}
}

// chainOf returns the chain of a key whose bytes are decoded as its reference says.
func chainOf(ref *allowlistv1.SecretRef, steps ...string) string {
	decoding := "raw"
	if ref.GetDecoding() > allowlistv1.Decoding_DECODING_RAW {
		decoding = strings.ToLower(enumName(ref.GetDecoding().String(), "DECODING_"))
	}
	return chained(decoding, steps...)
}

// stepSeparator stands between the steps of a chain, and in none of them.
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
func cipherStep(pb *allowlistv1.Cipher) string {
	s := symmetric.SuiteOf(pb)
	var options []string
	if s.Blocks() {
		padding := max(pb.GetPadding(), allowlistv1.Cipher_PADDING_PKCS7)
		options = append(options, "padding="+strings.ToLower(enumName(padding.String(), "PADDING_")))
	}
	if s.Mode != symmetric.ModeECB {
		source := max(pb.GetIv().GetSource(), allowlistv1.Iv_SOURCE_RANDOM)
		options = append(options, fmt.Sprintf("iv=%s/%d", strings.ToLower(enumName(source.String(), "SOURCE_")), s.IV))
	}
	if s.Tag > 0 {
		options = append(options, fmt.Sprintf("tag=%d", s.Tag))
	}
	step := enumName(pb.GetAlgorithm().String(), "ALGORITHM_") + "(" + strings.Join(options, ",") + ")"
	switch mac := pb.GetMac(); {
	case mac == nil:
		return step
	case mac.GetKey() != nil:
		return step + " under " + macStep(mac.GetAlgorithm()) + " of another key"
	default:
		return step + " under " + macStep(mac.GetAlgorithm())
	}
}

// derivationStep returns the step of a derivation of so many bytes, and its cost; none
// without a derivation.
func derivationStep(pb *allowlistv1.Derivation, bytes int) (step string, cost uint64) {
	if pb.GetFunction() == nil {
		return "", 0
	}
	d := derivationOf(pb)
	var options []string
	switch d.Function {
	case keys.Digest:
		step = "DIGEST-" + hashName(d)
		if d.Encoding != keys.EncodeRaw {
			options = append(options, "as="+strings.ToLower(enumName(pb.GetDigest().GetEncoding().String(), "ENCODING_")))
		}
		if d.Take > 0 {
			options = append(options, fmt.Sprintf("take=%d", d.Take))
		}
	case keys.EVPBytesToKey:
		step, cost = "EVP-"+hashName(d), uint64(d.Iterations)
	case keys.PBKDF2:
		step, cost = "PBKDF2-"+hashName(d), uint64(d.Iterations)
	case keys.Scrypt:
		step, cost = "SCRYPT", uint64(d.N)
		options = append(options, fmt.Sprintf("r=%d,p=%d", d.R, d.P))
	case keys.HKDF:
		step = "HKDF-" + hashName(d)
		if d.Info != "" {
			options = append(options, "info="+digestOf(d.Info))
		}
	}
	switch salt := pb.GetSalt(); {
	case salt.GetSecret() != nil:
		options = append(options, "salt=secret")
	case salt != nil:
		options = append(options, fmt.Sprintf("salt=sent/%d", salt.GetSentBytes()))
	}
	if bytes > 0 {
		options = append(options, fmt.Sprintf("bytes=%d", bytes))
	}
	return step + "(" + strings.Join(options, ",") + ")", cost
}

func hashName(d keys.Derivation) string { return strings.ReplaceAll(d.Hash.String(), "-", "") }

// rsaStep returns the step of RSA encryption; nil is PKCS #1 v1.5.
func rsaStep(pb *allowlistv1.RsaOaep) string {
	if pb == nil {
		return "RSA-PKCS1V15"
	}
	hash := pb.GetHash()
	if hash == allowlistv1.Hash_HASH_UNSPECIFIED {
		hash = allowlistv1.Hash_HASH_SHA256
	}
	step := "RSA-OAEP(" + enumName(hash.String(), "HASH_")
	if mgf1 := pb.GetMgf1Hash(); mgf1 != allowlistv1.Hash_HASH_UNSPECIFIED && mgf1 != hash {
		step += ",mgf1=" + enumName(mgf1.String(), "HASH_")
	}
	if pb.GetLabel() != "" {
		step += ",label=" + digestOf(pb.GetLabel())
	}
	return step + ")"
}

// sessionStep returns the step of a session key for a cipher whose key has n bytes.
func sessionStep(pb *allowlistv1.SessionKey, n int) string {
	form := max(pb.GetForm(), allowlistv1.SessionKey_FORM_RAW)
	if pb.GetBytes() != 0 {
		n = int(pb.GetBytes())
	}
	return fmt.Sprintf("session(%s/%d)", strings.ToLower(enumName(form.String(), "FORM_")), n)
}

func macStep(a allowlistv1.Mac_Algorithm) string { return enumName(a.String(), "ALGORITHM_") }

// digestOf stands for a label of the owner's choice, which could hold anything.
func digestOf(label string) string {
	sum := sha256.Sum256([]byte(label))
	return fmt.Sprintf("%x", sum[:8])
}

// enumName returns the name of an enum's value as chains have it.
func enumName(name, prefix string) string {
	return strings.ReplaceAll(strings.TrimPrefix(name, prefix), "_", "-")
}
