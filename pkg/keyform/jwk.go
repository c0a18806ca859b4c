package keyform

import (
	"crypto"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/pkg/secp256k1"
)

// A jsonKey has the members of a JWK that state its kind, and those of a key on X25519 or secp256k1,
// which the library does not support.
type jsonKey struct {
	Type  string            `json:"kty"`
	Curve string            `json:"crv"`
	D     string            `json:"d"`
	X     string            `json:"x"`
	Y     string            `json:"y"`
	Keys  []json.RawMessage `json:"keys"`
}

// readJWK returns the key of a JWK, or of a JWK set with exactly one key. Other JSON is not a key,
// and neither is a symmetric key; see [Convert].
func readJWK(body []byte) file {
	one, key, problem := parseJWK(body)
	switch {
	case one.Type == "":
		return file{}
	case problem == nil && one.Type == "oct":
		return file{}
	}
	m := material{secret: one.D != "", form: "JWK", problem: problem}
	if problem == nil {
		m = m.withJSON(key)
	}
	return file{materials: []material{m}, form: "JWK"}
}

// withJSON adds the key that the library returned.
func (m material) withJSON(key any) material {
	if private, ok := key.(interface{ Public() crypto.PublicKey }); ok {
		m.secret = true
		return m.withPrivate(private)
	}
	return m.withPublic(key)
}

// parseJWK returns the key of a JWK as a type of [ParsePublic] or [ParsePrivate], or the bytes of a
// symmetric key. JSON without a type is not a JWK.
func parseJWK(body []byte) (one jsonKey, key any, problem *Problem) {
	if !parsed(body, &one) {
		return jsonKey{}, nil, nil
	}
	if one.Type == "" && len(one.Keys) > 0 {
		if len(one.Keys) > 1 {
			one.Type = "set"
			return one, nil, &Problem{
				Form: FormJWK, Cause: "The JWK set has several keys.", Remedy: "Store each key as its own secret.",
			}
		}
		if body = one.Keys[0]; !parsed(body, &one) {
			return jsonKey{}, nil, nil
		}
	}
	switch one.Type {
	case "RSA", "EC", "OKP", "oct":
	default:
		return jsonKey{}, nil, nil
	}
	if len(body) > 2*maxKey+maxCertificates {
		return one, nil, tooLong()
	}
	switch one.Curve {
	case "X25519":
		key, problem = x25519Of(one)
		return one, key, problem
	case "secp256k1":
		key, problem = secp256k1Of(one)
		return one, key, problem
	}
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(body); err != nil || one.Type != "oct" && !k.Valid() {
		return one, nil, one.unusable()
	}
	return one, k.Key, nil
}

// parsed reports whether text is JSON that may be a key.
func parsed(body []byte, key *jsonKey) bool { return json.Unmarshal(body, key) == nil }

// maxCertificates is the maximum size of the certificates in a JWK.
const maxCertificates = 16 << 10

// unusable is the problem of a JWK that the library refuses.
func (k jsonKey) unusable() *Problem {
	if k.Curve == "Ed448" || k.Curve == "X448" {
		return unsupported(k.Curve)
	}
	return &Problem{
		Form: FormJWK, Cause: "The JWK is damaged, or does not have all members of its kind of key.",
		Remedy: "Export it again with all members (RFC 7518), of a private RSA key also p and q, or store the key as PEM.",
	}
}

// x25519Of returns the key of a JWK on X25519 (RFC 8037 section 2).
func x25519Of(k jsonKey) (any, *Problem) {
	u, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return nil, k.unusable()
	}
	public, err := ecdh.X25519().NewPublicKey(u)
	if err != nil {
		return nil, k.unusable()
	}
	return pairOf(k, public, ecdh.X25519().NewPrivateKey)
}

// secp256k1Of returns the key of a JWK on secp256k1 (RFC 8812 section 3.1).
func secp256k1Of(k jsonKey) (any, *Problem) {
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if errX != nil || errY != nil || len(x) != len(y) || k.Type != "EC" {
		return nil, k.unusable()
	}
	public, err := secp256k1.NewPublicKey(slices.Concat([]byte{4}, x, y)) // an uncompressed point
	if err != nil {
		return nil, k.unusable()
	}
	return pairOf(k, public, secp256k1.NewPrivateKey)
}

// pairOf returns the public key of a JWK, or its private key if it has one, which must belong to the
// public key.
func pairOf[Private interface{ Public() crypto.PublicKey }](k jsonKey, public publicKey, parse func([]byte) (Private, error)) (any, *Problem) {
	if k.D == "" {
		return public, nil
	}
	scalar, err := base64.RawURLEncoding.DecodeString(k.D)
	defer clear(scalar)
	if err != nil {
		return nil, k.unusable()
	}
	private, err := parse(scalar)
	if err != nil || !public.Equal(private.Public()) {
		return nil, broken("The JWK")
	}
	return private, nil
}
