package jose

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// A curve is a curve for JOSE key agreement (RFC 7518 section 6.2, RFC 8037).
type curve struct {
	keys.Curve
	kty, crv   string
	coordinate int // bytes
}

// curveOf returns the curve of a key, public or private.
func curveOf(key any) (curve, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		return curveNamed(nistName(k.Curve))
	case *ecdsa.PrivateKey:
		return curveNamed(nistName(k.Curve))
	case *ecdh.PublicKey:
		return curveNamed(agreedName(k.Curve()))
	case *ecdh.PrivateKey:
		return curveNamed(agreedName(k.Curve()))
	}
	return curve{}, ErrKey
}

func curveNamed(crv string) (curve, error) {
	switch crv {
	case "P-256":
		return curve{keys.P256, "EC", crv, 32}, nil
	case "P-384":
		return curve{keys.P384, "EC", crv, 48}, nil
	case "X25519":
		return curve{keys.X25519, "OKP", crv, 32}, nil
	}
	return curve{}, ErrKey
}

func nistName(c elliptic.Curve) string {
	if c == nil {
		return ""
	}
	return c.Params().Name
}

func agreedName(c ecdh.Curve) string {
	switch c {
	case ecdh.P256():
		return "P-256"
	case ecdh.P384():
		return "P-384"
	case ecdh.X25519():
		return "X25519"
	}
	return ""
}

// agree generates an ephemeral key and agrees with the partner's key. It returns the shared
// secret, and the ephemeral public key as a JSON Web Key.
func agree(random io.Reader, key any) (secret []byte, epk map[string]string, err error) {
	c, err := curveOf(key)
	if err != nil {
		return nil, nil, err
	}
	point, secret, err := c.Encapsulate(random, key)
	if err != nil {
		return nil, nil, keyError(err)
	}
	epk = map[string]string{"kty": c.kty, "crv": c.crv}
	if c.kty == "EC" {
		epk["y"] = encoding.EncodeToString(point[1+c.coordinate:])
		point = point[1 : 1+c.coordinate] // without the byte that marks an uncompressed point
	}
	epk["x"] = encoding.EncodeToString(point)
	return secret, epk, nil
}

// agreed returns the shared secret of our key and the ephemeral one.
func agreed(key any, epk []byte) ([]byte, error) {
	c, err := curveOf(key)
	if err != nil {
		return nil, err
	}
	point, err := c.readPoint(epk)
	if err != nil {
		return nil, err
	}
	secret, err := c.Decapsulate(key, point)
	return secret, keyError(err)
}

// readPoint reads a JSON Web Key of the curve. It does not check that the point is on the curve;
// the key agreement does.
func (c curve) readPoint(epk []byte) ([]byte, error) {
	jwk, err := readObject(epk)
	if err != nil {
		return nil, err
	}
	if !jwk.is("kty", c.kty) || !jwk.is("crv", c.crv) {
		return nil, ErrUnwrap // it may be for another of our keys
	}
	x, err := jwk.bytes("x", c.coordinate)
	if err != nil || c.kty == "OKP" {
		return x, err
	}
	y, err := jwk.bytes("y", c.coordinate)
	if err != nil {
		return nil, err
	}
	return append(append([]byte{4}, x...), y...), nil
}

// concatKDF derives a key of n bytes for the algorithm from the shared secret (RFC 7518 section
// 4.6.2).
func concatKDF(secret []byte, alg string, apu, apv []byte, n int) []byte {
	var info []byte
	for _, field := range [][]byte{[]byte(alg), apu, apv} {
		info = binary.BigEndian.AppendUint32(info, uint32(len(field)))
		info = append(info, field...)
	}
	info = binary.BigEndian.AppendUint32(info, uint32(n)*8)
	key := make([]byte, 0, n+sha256.Size)
	for round := uint32(1); len(key) < n; round++ {
		h := sha256.New()
		h.Write(binary.BigEndian.AppendUint32(nil, round))
		h.Write(secret)
		h.Write(info)
		key = h.Sum(key)
	}
	return key[:n]
}
