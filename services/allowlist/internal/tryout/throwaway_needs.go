package tryout

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// A kind is what a key has to be.
type kind int

const (
	shared  kind = iota // bytes that both sides have
	locked              // the passphrase of OpenPGP keys
	rsaPair             // RSA
	p256                // elliptic curves
	p384
	x25519
	ed25519Pair
	openPGP // a key block
)

// A need is a reference with what its secret has to be.
type need struct {
	field string
	ref   *allowlistv1.SecretRef
	kind  kind
	// bytes is the length of a shared key; 0 where any will do.
	bytes int
	// certified says that the fingerprint of a certificate is sent.
	certified bool
}

// needs returns what the references of a profile need, in the order of the contract.
func needs(path string, p *allowlistv1.Profile) []need {
	n := needed{certified: certified(p)}
	n.cipher(path+".cipher", p.GetCipher())
	n.list(path+".rsa_direct.keys", p.GetRsaDirect().GetKeys(), rsaPair, 0)
	n.jose(path+".jose", p.GetJose())
	n.list(path+".pgp.keys", p.GetPgp().GetKeys(), openPGP, 0)
	n.one(path+".pgp.passphrase", p.GetPgp().GetPassphrase(), locked, 0)
	n.list(path+".pgp.signing_keys", p.GetPgp().GetSigningKeys(), openPGP, 0)
	n.signing(path+".signing", p.GetSigning())
	kind, bytes := ofJWS(p.GetNestedJws().GetJws())
	n.list(path+".nested_jws.keys", p.GetNestedJws().GetKeys(), kind, bytes)
	return n.all
}

// certified reports whether the fingerprint of a certificate is sent.
func certified(p *allowlistv1.Profile) bool {
	for _, blob := range p.GetEnvelope().GetBlobs() {
		for _, part := range blob.GetParts() {
			if part.GetSlot() == allowlistv1.Part_SLOT_CERTIFICATE_SHA256 {
				return true
			}
		}
	}
	for _, header := range []map[string]string{
		p.GetJose().GetHeader(), p.GetNestedJws().GetJws().GetHeader(), p.GetSigning().GetJws().GetHeader(),
	} {
		for _, value := range header {
			if strings.Contains(value, "${certificate_sha256}") {
				return true
			}
		}
	}
	return false
}

// needed collects needs.
type needed struct {
	all       []need
	certified bool
}

func (n *needed) one(field string, ref *allowlistv1.SecretRef, kind kind, bytes int) {
	if ref != nil {
		n.all = append(n.all, need{field: field, ref: ref, kind: kind, bytes: bytes, certified: n.certified})
	}
}

func (n *needed) list(field string, refs []*allowlistv1.SecretRef, kind kind, bytes int) {
	for i, ref := range refs {
		n.one(fmt.Sprintf("%s[%d]", field, i), ref, kind, bytes)
	}
}

func (n *needed) cipher(path string, c *allowlistv1.Cipher) {
	switch key := c.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		n.list(path+".shared_key.keys", key.SharedKey.GetKeys(), shared, underived(key.SharedKey.GetDerivation(), snippet.KeyBytes(c.GetAlgorithm())))
		n.salt(path+".shared_key", key.SharedKey.GetDerivation())
	case *allowlistv1.Cipher_SessionKey:
		kind, bytes := rsaPair, 0
		if key.SessionKey.GetAesKw() != nil {
			kind, bytes = shared, usualBytes
		}
		n.list(path+".session_key.keys", key.SessionKey.GetKeys(), kind, bytes)
		n.salt(path+".session_key", key.SessionKey.GetDerivation())
	case *allowlistv1.Cipher_Ecdh:
		kind := x25519
		if key.Ecdh.GetCurve() == allowlistv1.Ecdh_CURVE_P256 {
			kind = p256
		}
		n.list(path+".ecdh.keys", key.Ecdh.GetKeys(), kind, 0)
		n.salt(path+".ecdh", key.Ecdh.GetDerivation())
	}
	n.one(path+".iv.secret", c.GetIv().GetSecret(), shared, snippet.IVBytes(c))
	n.one(path+".mac.key", c.GetMac().GetKey(), shared, 0)
}

func (n *needed) salt(path string, d *allowlistv1.Derivation) {
	n.one(path+".derivation.salt.secret", d.GetSalt().GetSecret(), shared, 0)
}

// underived returns the length that a key needs: any, if another key is derived of it.
func underived(d *allowlistv1.Derivation, bytes int) int {
	if d != nil {
		return 0
	}
	return bytes
}

func (n *needed) jose(path string, j *allowlistv1.Jose) {
	kind, bytes := shared, 0
	switch j.GetKeyManagement() {
	case allowlistv1.Jose_KEY_MANAGEMENT_DIR:
		bytes = snippet.ContentKeyBytes(j.GetContentEncryption())
	case allowlistv1.Jose_KEY_MANAGEMENT_A128KW, allowlistv1.Jose_KEY_MANAGEMENT_A128GCMKW:
		bytes = 16
	case allowlistv1.Jose_KEY_MANAGEMENT_A256KW, allowlistv1.Jose_KEY_MANAGEMENT_A256GCMKW:
		bytes = 32
	case allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES, allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A128KW, allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A256KW:
		kind = p256
	default:
		kind = rsaPair
	}
	n.list(path+".keys", j.GetKeys(), kind, underived(j.GetDerivation(), bytes))
	n.salt(path, j.GetDerivation())
}

func (n *needed) signing(path string, s *allowlistv1.Signing) {
	kind, bytes := shared, 0
	switch scheme := s.GetScheme().(type) {
	case *allowlistv1.Signing_Jws:
		kind, bytes = ofJWS(scheme.Jws)
	case *allowlistv1.Signing_Asymmetric:
		switch scheme.Asymmetric.GetAlgorithm() {
		case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER, allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363:
			kind = p256
		case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER:
			kind = p384
		case allowlistv1.Asymmetric_ALGORITHM_ED25519:
			kind = ed25519Pair
		default:
			kind = rsaPair
		}
	}
	n.list(path+".keys", s.GetKeys(), kind, bytes)
}

// ofJWS returns what the keys of a JSON Web Signature are.
func ofJWS(j *allowlistv1.Jws) (kind, int) {
	switch j.GetAlgorithm() {
	case allowlistv1.Jws_ALGORITHM_ES256:
		return p256, 0
	case allowlistv1.Jws_ALGORITHM_ES384:
		return p384, 0
	case allowlistv1.Jws_ALGORITHM_EDDSA:
		return ed25519Pair, 0
	case allowlistv1.Jws_ALGORITHM_HS256:
		return shared, 32
	case allowlistv1.Jws_ALGORITHM_HS384:
		return shared, 48
	case allowlistv1.Jws_ALGORITHM_HS512:
		return shared, 64
	default:
		return rsaPair, 0
	}
}
