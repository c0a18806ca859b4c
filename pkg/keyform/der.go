package keyform

import (
	"bytes"
	"crypto"
	"crypto/dsa" //nolint:staticcheck // to name such keys
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	encodingasn1 "encoding/asn1"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/keyward/keyward/pkg/secp256k1"
)

// The sizes of RSA keys in bits. Shorter keys are broken or will be. Longer keys cost too much for
// each message.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// maxKey is the maximum length of the DER of a key. A private key of RSA-8192 has 4,677 bytes. The
// time to check a private key grows at least with the square of its length, and a secret may have
// 64 KiB.
const maxKey = 5 << 10

// publicKey is implemented by all public keys.
type publicKey interface{ Equal(crypto.PublicKey) bool }

// A material is the content of one block of a file. A material with a problem has no keys.
type material struct {
	// secret is whether it is, or was meant to be, a private key.
	secret      bool
	private     crypto.PrivateKey
	public      publicKey
	certificate *x509.Certificate
	// algorithm is as in [Facts]. form is the structure, such as `PKCS #8`.
	algorithm, form string
	problem         *Problem
}

const (
	formCertificate = "certificate"
	formRequest     = "certificate request"
)

// A shape is the structure of a DER according to its first elements.
type shape int

const (
	noShape shape = iota
	shapePKCS8
	shapePKCS1
	shapeSEC1
	shapeSPKI
	shapePKCS1Public
	shapeSigned // a certificate or a request for one
	shapeEncrypted
	shapePKCS12
	shapeDSA
	shapePKCS7
)

// shapeOf returns the structure of a DER according to its outermost elements, and its algorithm
// and parameters if it names them. The DER starts at the first byte and may end before the last
// one.
func shapeOf(der []byte) (s shape, algorithm, parameters encodingasn1.ObjectIdentifier, whole []byte) {
	input := cryptobyte.String(der)
	var outer cryptobyte.String
	if !input.ReadASN1Element(&outer, asn1.SEQUENCE) {
		return noShape, nil, nil, nil
	}
	whole = outer
	var body cryptobyte.String
	if !outer.ReadASN1(&body, asn1.SEQUENCE) {
		return noShape, nil, nil, nil
	}
	var version int64
	numbered := body.PeekASN1Tag(asn1.INTEGER)
	if numbered {
		inside := body
		if !inside.ReadASN1Integer(&version) { // longer than 64 bits
			return ifWhole(isPKCS1Public(body), shapePKCS1Public), nil, nil, whole
		}
		if isPKCS1Public(body) {
			return shapePKCS1Public, nil, nil, whole
		}
		body = inside
	}
	switch {
	case numbered && body.PeekASN1Tag(asn1.INTEGER):
		return ofIntegers(body), nil, nil, whole
	case numbered && body.PeekASN1Tag(asn1.OCTET_STRING):
		return shapeSEC1, nil, sec1Curve(body), whole
	case body.PeekASN1Tag(asn1.OBJECT_IDENTIFIER):
		return ifWhole(bytes.HasPrefix(body, oidPKCS7), shapePKCS7), nil, nil, whole
	case !body.PeekASN1Tag(asn1.SEQUENCE):
		return noShape, nil, nil, nil
	}
	var first cryptobyte.String
	if !body.ReadASN1(&first, asn1.SEQUENCE) {
		return noShape, nil, nil, nil
	}
	named := first.PeekASN1Tag(asn1.OBJECT_IDENTIFIER) && first.ReadASN1ObjectIdentifier(&algorithm)
	if named && first.PeekASN1Tag(asn1.OBJECT_IDENTIFIER) && !first.ReadASN1ObjectIdentifier(&parameters) {
		return noShape, nil, nil, nil
	}
	switch {
	case numbered && version == 3 && named && strings.HasPrefix(algorithm.String(), "1.2.840.113549.1.7."):
		return shapePKCS12, nil, nil, whole
	case numbered && named && body.PeekASN1Tag(asn1.OCTET_STRING):
		return shapePKCS8, algorithm, parameters, whole
	case !numbered && named && body.PeekASN1Tag(asn1.BIT_STRING):
		return shapeSPKI, algorithm, parameters, whole
	case !numbered && named && body.PeekASN1Tag(asn1.OCTET_STRING) && encrypts(algorithm):
		return shapeEncrypted, algorithm, nil, whole
	case !numbered && !named && body.PeekASN1Tag(asn1.SEQUENCE):
		return shapeSigned, nil, nil, whole
	}
	return noShape, nil, nil, nil
}

// oidPKCS7 is the start of PKCS #7 signed data.
var oidPKCS7 = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}

func ifWhole(is bool, s shape) shape {
	if is {
		return s
	}
	return noShape
}

// isPKCS1Public reports whether the body consists of two integers.
func isPKCS1Public(body cryptobyte.String) bool {
	n, alone := integers(body)
	return n == 2 && alone
}

// ofIntegers recognizes private keys that are a list of integers: RSA has eight after the version,
// and DSA has five.
func ofIntegers(body cryptobyte.String) shape {
	switch n, alone := integers(body); {
	case n == 8: // of more than two primes, a list follows
		return shapePKCS1
	case n == 5 && alone:
		return shapeDSA
	}
	return noShape
}

// integers counts the next integers and reports whether nothing else follows.
func integers(body cryptobyte.String) (n int, alone bool) {
	for body.PeekASN1Tag(asn1.INTEGER) && body.SkipASN1(asn1.INTEGER) {
		n++
	}
	return n, body.Empty()
}

// sec1Curve returns the curve that a SEC 1 key names.
func sec1Curve(body cryptobyte.String) (curve encodingasn1.ObjectIdentifier) {
	var named cryptobyte.String
	if !body.SkipASN1(asn1.OCTET_STRING) || !body.ReadASN1(&named, explicit) ||
		!named.ReadASN1ObjectIdentifier(&curve) {
		return nil
	}
	return curve
}

// encrypts reports whether an algorithm encrypts with a password (PKCS #5 and PKCS #12).
func encrypts(algorithm encodingasn1.ObjectIdentifier) bool {
	return strings.HasPrefix(algorithm.String(), "1.2.840.113549.1.5.") || strings.HasPrefix(algorithm.String(), "1.2.840.113549.1.12.1.")
}

// fromDER returns the content of a complete DER, and whether its structure can contain keys. White
// space may follow the DER.
func fromDER(der []byte) (m material, known bool) {
	s, algorithm, parameters, whole := shapeOf(der)
	if s == noShape || len(bytes.Trim(der[len(whole):], asciiSpace+"\x00")) > 0 {
		return material{}, false
	}
	named := kindOf(algorithm, parameters)
	switch s {
	case shapePKCS8:
		m = fromPrivate("PKCS #8", named, whole, parser(named, x509.ParsePKCS8PrivateKey, secp256k1.ParsePKCS8PrivateKey))
	case shapePKCS1:
		m = fromPrivate("PKCS #1", "RSA", whole, x509.ParsePKCS1PrivateKey)
	case shapeSEC1:
		named = curveName(parameters)
		m = fromPrivate("SEC 1", named, whole, parser(named, x509.ParseECPrivateKey, secp256k1.ParseECPrivateKey))
	case shapeSPKI:
		m = fromPublic("SubjectPublicKeyInfo", named, whole, parser(named, x509.ParsePKIXPublicKey, secp256k1.ParsePKIXPublicKey))
	case shapePKCS1Public:
		m = fromPublic("PKCS #1", "RSA", whole, x509.ParsePKCS1PublicKey)
		// Two integers are also a signature of ECDSA.
		known := m.public != nil || m.problem.Form == FormSize
		return m, known
	case shapeSigned:
		return fromSigned(whole)
	default:
		m = unusable(s)
	}
	return m, true
}

// parser returns the function that parses keys of an algorithm: the standard library's, or that for
// secp256k1.
func parser[Key, Koblitz any](named string, std func([]byte) (Key, error), koblitz func([]byte) (Koblitz, error)) func([]byte) (any, error) {
	if named == secp256k1.Name {
		return func(der []byte) (any, error) { return koblitz(der) }
	}
	return func(der []byte) (any, error) { return std(der) }
}

// unusable returns the material of structures whose keys cannot be read.
func unusable(s shape) material {
	switch s {
	case shapeEncrypted:
		return material{secret: true, form: "encrypted PKCS #8", problem: encrypted("openssl pkey -in key.pem -out key-plain.pem")}
	case shapePKCS12:
		return material{secret: true, form: "PKCS #12", problem: &Problem{
			Form: FormPKCS12, Cause: "The value is a PKCS #12 file.",
			Remedy: "Store the file again with its password, and the vault converts it.",
		}}
	case shapeDSA:
		return material{secret: true, form: "DSA private key", problem: unsupported("DSA")}
	default:
		return material{form: "PKCS #7", problem: &Problem{
			Form: FormPKCS7, Cause: "The value is a PKCS #7 file.",
			Remedy: "Extract the certificate: openssl pkcs7 -in file.p7b -print_certs -out certificate.pem",
		}}
	}
}

func encrypted(command string) *Problem {
	return &Problem{Form: FormEncrypted, Cause: "The private key is encrypted.", Remedy: "Decrypt it first: " + command}
}

// unsupported is the problem of a valid key with an unsupported algorithm.
func unsupported(algorithm string) *Problem {
	return &Problem{
		Form: FormKind, Algorithm: algorithm, Cause: algorithm + " keys are not supported.",
		Remedy: "Use an RSA key of 2048 to 8192 bits, a key on P-256, P-384, P-521, or secp256k1, an Ed25519 or an X25519 key.",
	}
}

// certified is the problem of a certificate of a key that is supported without it.
func certified(algorithm string) *Problem {
	return &Problem{
		Form: FormKind, Algorithm: algorithm, Cause: "Certificates of " + algorithm + " keys are not supported.",
		Remedy: "Extract the public key: openssl x509 -in certificate.pem -noout -pubkey -out public.pem",
	}
}

func broken(what string) *Problem {
	return &Problem{
		Form: FormBroken, Cause: what + " is damaged: its parts do not fit together.",
		Remedy: "Export it again from where it was made, and copy the whole file.",
	}
}

func fromPrivate[Key any](form, named string, der []byte, parse func([]byte) (Key, error)) material {
	m := material{secret: true, form: form, algorithm: named}
	return keyOf(m, der, "The private key", parse, material.withPrivate)
}

// withPrivate adds a parsed key if its kind is supported.
func (m material) withPrivate(private any) material {
	key, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		m.problem = unsupported(m.algorithm)
		return m
	}
	if m = m.withPublic(key.Public()); m.public != nil {
		m.private = private
	}
	return m
}

// withPublic adds a key if its kind is supported.
func (m material) withPublic(key any) material {
	m.algorithm = algorithmOf(key)
	if m.public = usable(key); m.public != nil {
		return m
	}
	if key, ok := key.(*rsa.PublicKey); ok {
		m.problem = wrongSize(key.N.BitLen())
	} else {
		m.problem = unsupported(m.algorithm)
	}
	return m
}

func fromPublic[Key any](form, named string, der []byte, parse func([]byte) (Key, error)) material {
	m := material{form: form, algorithm: named}
	return keyOf(m, der, "The public key", parse, material.withPublic)
}

// keyOf adds the key in a DER that is not too long, or the reason why it has none.
func keyOf[Key any](m material, der []byte, what string, parse func([]byte) (Key, error), with func(material, any) material) material {
	if len(der) > maxKey {
		m.problem = tooLong()
		return m
	}
	key, err := parse(der)
	if err != nil {
		m.problem = notParsed(m.algorithm, der, what)
		m.algorithm = m.problem.Algorithm
		return m
	}
	return with(m, key)
}

// notParsed returns the reason why a key does not parse: its kind, if it is known to be
// unsupported, or its size.
func notParsed(named string, der []byte, what string) *Problem {
	switch named {
	case "RSA":
		if bits := modulusBits(der); bits > 0 && (bits < minRSABits || bits > maxRSABits) {
			return wrongSize(bits)
		}
		return broken(what)
	case "EC-P256", "EC-P384", "EC-P521", "EC-P224", secp256k1.Name, "EC", "Ed25519", "X25519":
		return broken(what)
	default:
		return unsupported(named)
	}
}

func tooLong() *Problem {
	return &Problem{
		Form: FormSize, Cause: "The key is longer than all supported keys.",
		Remedy: "Use an RSA key of 2048 to 8192 bits.",
	}
}

func wrongSize(bits int) *Problem {
	algorithm := fmt.Sprintf("RSA-%d", bits)
	if bits >= minRSABits && bits <= maxRSABits {
		return &Problem{
			Form: FormBroken, Algorithm: algorithm, Cause: "The RSA key has a modulus or an exponent that is not valid.",
			Remedy: "Ask for another key.",
		}
	}
	return &Problem{
		Form: FormSize, Algorithm: algorithm, Cause: fmt.Sprintf("The RSA key has %d bits, and only 2048 to 8192 bits are supported.", bits),
		Remedy: "Generate a new one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem",
	}
}

// modulusBits returns the bit length of the modulus of an RSA key in a DER, which is the first
// long integer, or 0.
func modulusBits(der []byte) int {
	input := cryptobyte.String(der)
	if !input.ReadASN1(&input, asn1.SEQUENCE) {
		return 0
	}
	for !input.Empty() {
		var element cryptobyte.String
		var tag asn1.Tag
		if !input.ReadAnyASN1(&element, &tag) {
			return 0
		}
		switch number := bytes.TrimLeft(element, "\x00"); {
		case tag == asn1.INTEGER && len(number) > 8:
			return new(big.Int).SetBytes(number).BitLen()
		case tag == asn1.OCTET_STRING:
			return modulusBits(element)
		case tag == asn1.BIT_STRING && len(element) > 0:
			return modulusBits(element[1:])
		}
	}
	return 0
}

// fromSigned returns the content of a certificate, or the problem of a certificate request.
func fromSigned(der []byte) (m material, known bool) {
	certificate, err := x509.ParseCertificate(bytes.Clone(der)) // the result refers to it
	if err == nil && certificate.PublicKey != nil {
		m = material{certificate: certificate, form: formCertificate}
		return m.withPublic(certificate.PublicKey), true
	}
	if _, err := x509.ParseCertificateRequest(der); err == nil {
		return material{form: formRequest, problem: request()}, true
	}
	if s, algorithm, parameters, _ := shapeOf(certifiedKey(der)); s == shapeSPKI {
		m = material{form: formCertificate, algorithm: kindOf(algorithm, parameters)}
		if m.algorithm == secp256k1.Name {
			m.problem = certified(m.algorithm)
		} else {
			m.problem = notParsed(m.algorithm, nil, "The certificate")
		}
		return m, true
	}
	return material{}, false
}

// certifiedKey returns the SubjectPublicKeyInfo of a certificate that the library does not parse,
// or nil.
func certifiedKey(der []byte) []byte {
	input := cryptobyte.String(der)
	var key cryptobyte.String
	var signed cryptobyte.String
	if !input.ReadASN1(&signed, asn1.SEQUENCE) || !signed.ReadASN1(&input, asn1.SEQUENCE) || !input.SkipOptionalASN1(explicit) ||
		!input.SkipASN1(asn1.INTEGER) { // serial number
		return nil
	}
	for range 4 { // signature algorithm, issuer, validity, subject
		if !input.SkipASN1(asn1.SEQUENCE) {
			return nil
		}
	}
	if !input.ReadASN1Element(&key, asn1.SEQUENCE) {
		return nil
	}
	return key
}

func request() *Problem {
	return &Problem{
		Form: FormRequest, Cause: "The value is a certificate request.",
		Remedy: "Store the private key or the certificate, or extract the public key from the request: openssl req -in request.pem -noout -pubkey -out public.pem",
	}
}

// usable returns the key if its kind is supported, or nil.
func usable(public any) publicKey {
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		// The library also refuses other exponents, but only when the key is used.
		exponent := key.E >= 3 && key.E%2 == 1 && int64(key.E) <= math.MaxInt32
		if bits >= minRSABits && bits <= maxRSABits && key.N.Bit(0) == 1 && exponent {
			return key
		}
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return key
		}
	case *secp256k1.PublicKey:
		return key
	case ed25519.PublicKey:
		return slices.Clone(key) // the library's is a piece of the DER, which is zeroed
	case *ecdh.PublicKey:
		if key.Curve() == ecdh.X25519() {
			return key
		}
	}
	return nil
}

// algorithmOf names the kind and size of a public key.
func algorithmOf(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "EC-" + strings.ReplaceAll(key.Params().Name, "-", "")
	case *secp256k1.PublicKey:
		return secp256k1.Name
	case ed25519.PublicKey:
		return "Ed25519"
	case *ecdh.PublicKey:
		return "X25519"
	case *dsa.PublicKey:
		return "DSA"
	}
	return "unknown"
}

// kindOf returns the name of an algorithm from its object identifier and its parameters, which
// name a curve.
func kindOf(algorithm, parameters encodingasn1.ObjectIdentifier) string {
	switch oid := algorithm.String(); oid {
	case "1.2.840.113549.1.1.1":
		return "RSA"
	case "1.2.840.113549.1.1.10":
		return "RSASSA-PSS"
	case "1.2.840.113549.1.1.7":
		return "RSAES-OAEP"
	case "1.2.840.10045.2.1", "1.3.132.1.12":
		return curveName(parameters)
	case "1.2.840.10040.4.1":
		return "DSA"
	case "1.2.840.113549.1.3.1", "1.2.840.10046.2.1":
		return "DH"
	case "1.3.101.110":
		return "X25519"
	case "1.3.101.111":
		return "X448"
	case "1.3.101.112":
		return "Ed25519"
	case "1.3.101.113":
		return "Ed448"
	default:
		return oid
	}
}

func curveName(curve encodingasn1.ObjectIdentifier) string {
	switch oid := curve.String(); oid {
	case "1.2.840.10045.3.1.7":
		return "EC-P256"
	case "1.3.132.0.33":
		return "EC-P224"
	case "1.3.132.0.34":
		return "EC-P384"
	case "1.3.132.0.35":
		return "EC-P521"
	case "1.3.132.0.10":
		return secp256k1.Name
	case "":
		return "EC"
	default:
		if strings.HasPrefix(oid, "1.3.36.3.3.2.8.1.1.") {
			return "EC-brainpool"
		}
		return "EC-" + oid
	}
}
