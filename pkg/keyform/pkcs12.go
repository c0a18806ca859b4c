package keyform

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	encodingasn1 "encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"
)

// # PKCS #12 (RFC 7292)
//
// A library decrypts the file. The author of a file chooses the number of password hash
// iterations, so a file could occupy the library for years. The visible iteration counts are
// checked first. A count could also be hidden in the encrypted content: a second encrypted key.
// The file is therefore reordered so that the visible key comes first; the library then refuses a
// second key before it hashes anything for it. The MAC of the file covers the order, so the file
// gets a new MAC. An attacker who changed the file would also have to know the password, because
// the key is encrypted.

// maxIterations is the maximum number of hash iterations for a part of a file. Tools write 2,048
// to 600,000.
const maxIterations = 700_000

// maxBags is the maximum number of certificates and keys that are decoded in a file.
const maxBags = 64

var (
	oidData         = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncrypted    = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag       = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag  = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBMAC1       = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidPBKDF2       = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256   = encodingasn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	explicit        = asn1.Tag(0).ContextSpecific().Constructed()
	pkcs12Elsewhere = "Extract the key: openssl pkcs12 -in key.p12 -nodes -out key.pem"
)

// isPKCS12 reports whether bytes are a PKCS #12 file.
func isPKCS12(value []byte) bool {
	s, _, _, whole := shapeOf(value)
	return s == shapePKCS12 && len(whole) == len(value)
}

// fromPKCS12 returns the private key of a file as PKCS #8 in PEM, followed by its certificates.
func fromPKCS12(file []byte, password string) ([]byte, *Problem) {
	ordered, problem := keyFirst(file, password)
	if problem != nil {
		return nil, problem
	}
	defer clear(ordered)
	key, certificate, issuers, err := pkcs12.DecodeChain(ordered, password)
	if err != nil {
		return nil, wrongPassword(password)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, unusablePKCS12("The key in the PKCS #12 file is of a kind that is not supported.")
	}
	defer clear(der)
	size := pemSize(der)
	chain := append([]*x509.Certificate{certificate}, issuers...)
	for _, c := range chain {
		size += pemSize(c.Raw)
	}
	out := make([]byte, 0, size) // once, so that no half of a key is left behind
	for _, block := range append([]labeled{{"PRIVATE KEY", der}}, certificates(chain)...) {
		text := pemOf(block.label, block.der)
		out = append(out, text...)
		clear(text)
	}
	return out, nil
}

type labeled struct {
	label string
	der   []byte
}

func certificates(chain []*x509.Certificate) []labeled {
	all := make([]labeled, len(chain))
	for i, c := range chain {
		all[i] = labeled{"CERTIFICATE", c.Raw}
	}
	return all
}

// pemSize is an upper bound of the length of the PEM of a DER.
func pemSize(der []byte) int { return 2*len(der) + 2*maxLabel }

func wrongPassword(password string) *Problem {
	if password == "" {
		return &Problem{
			Form: FormPKCS12Password, Cause: "The PKCS #12 file needs its password.",
			Remedy: "Send its password in file_password.",
		}
	}
	return &Problem{
		Form: FormPKCS12Password, Cause: "The PKCS #12 file cannot be decrypted: the password is wrong, or the file is damaged.",
		Remedy: "Correct file_password. " + pkcs12Elsewhere,
	}
}

func unusablePKCS12(cause string) *Problem {
	return &Problem{Form: FormPKCS12, Cause: cause, Remedy: pkcs12Elsewhere}
}

// keyFirst returns the file with a new MAC and a new order: the part with the visible private key
// comes first.
func keyFirst(file []byte, password string) ([]byte, *Problem) {
	parts, ok := safesOf(file)
	if !ok {
		return nil, unusablePKCS12("The PKCS #12 file has a structure that is not supported.")
	}
	first := -1
	for i, part := range parts {
		keys, fits := part.keys()
		switch {
		case !fits:
			return nil, unusablePKCS12("The PKCS #12 file uses more password hash iterations than supported.")
		case keys > 1, keys == 1 && first >= 0:
			p := several()
			p.Remedy = pkcs12Elsewhere + ", and store each private key as its own secret."
			return nil, p
		case keys == 1:
			first = i
		}
	}
	if first < 0 {
		return nil, unusablePKCS12("The PKCS #12 file has no private key, or it is not in a supported place.")
	}
	parts[0], parts[first] = parts[first], parts[0]
	ordered, err := withMAC(parts, password)
	if err != nil {
		return nil, unusablePKCS12("The PKCS #12 file has a structure that is not supported.")
	}
	return ordered, nil
}

// A safe is one part of a file, in DER.
type safe []byte

// safesOf returns the parts of a file.
func safesOf(file []byte) (parts []safe, ok bool) {
	input := cryptobyte.String(file)
	var version int64
	var kind encodingasn1.ObjectIdentifier
	var info, content, list cryptobyte.String
	if !input.ReadASN1(&input, asn1.SEQUENCE) || !input.ReadASN1Integer(&version) || !input.ReadASN1(&info, asn1.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&kind) || !kind.Equal(oidData) ||
		!info.ReadASN1(&content, explicit) || !content.ReadASN1(&content, asn1.OCTET_STRING) ||
		!content.ReadASN1(&list, asn1.SEQUENCE) {
		return nil, false
	}
	for !list.Empty() {
		var part cryptobyte.String
		if !list.ReadASN1Element(&part, asn1.SEQUENCE) || len(parts) == 2 {
			return nil, false
		}
		parts = append(parts, safe(part))
	}
	return parts, true
}

// keys returns the number of visible private keys in a part, and whether its iteration counts are
// within the limit.
func (s safe) keys() (n int, fits bool) {
	input := cryptobyte.String(s)
	var kind encodingasn1.ObjectIdentifier
	var content cryptobyte.String
	if !input.ReadASN1(&input, asn1.SEQUENCE) || !input.ReadASN1ObjectIdentifier(&kind) || !input.ReadASN1(&content, explicit) {
		return 0, false
	}
	if kind.Equal(oidEncrypted) {
		return 0, encryptedSafe(content)
	}
	var bags cryptobyte.String
	if !kind.Equal(oidData) || !content.ReadASN1(&content, asn1.OCTET_STRING) || !content.ReadASN1(&bags, asn1.SEQUENCE) {
		return 0, false
	}
	for count := 0; !bags.Empty(); count++ {
		var bag, value cryptobyte.String
		var kind encodingasn1.ObjectIdentifier
		if count == maxBags || !bags.ReadASN1(&bag, asn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&kind) || !bag.ReadASN1(&value, explicit) {
			return 0, false
		}
		switch {
		case kind.Equal(oidKeyBag):
			n++
		case kind.Equal(oidShroudedBag):
			if n++; !value.ReadASN1(&value, asn1.SEQUENCE) || !cheap(value) {
				return 0, false
			}
		}
	}
	return n, true
}

// encryptedSafe reports whether the iteration count of an encrypted part is within the limit.
func encryptedSafe(content cryptobyte.String) bool {
	var version int64
	var kind encodingasn1.ObjectIdentifier
	return content.ReadASN1(&content, asn1.SEQUENCE) && content.ReadASN1Integer(&version) &&
		content.ReadASN1(&content, asn1.SEQUENCE) && content.ReadASN1ObjectIdentifier(&kind) && cheap(content)
}

// cheap reports whether the iteration count of the next algorithm is within the limit. In every
// algorithm, it is the only integer after a salt.
func cheap(input cryptobyte.String) bool {
	var algorithm cryptobyte.String
	return input.ReadASN1(&algorithm, asn1.SEQUENCE) && countsFit(algorithm, 6)
}

// countsFit reports whether all integers in an algorithm are within the limit.
func countsFit(input cryptobyte.String, depth int) bool {
	for !input.Empty() {
		var tag asn1.Tag
		var element, inside cryptobyte.String
		if depth == 0 || !input.ReadAnyASN1Element(&element, &tag) {
			return false
		}
		var count int64
		switch tag {
		case asn1.INTEGER:
			if !element.ReadASN1Integer(&count) || count < 1 || count > maxIterations {
				return false
			}
		case asn1.SEQUENCE:
			if !element.ReadASN1(&inside, asn1.SEQUENCE) || !countsFit(inside, depth-1) {
				return false
			}
		}
	}
	return true
}

// withMAC returns a file of the parts with a MAC (RFC 9579) that is cheap to check.
func withMAC(parts []safe, password string) ([]byte, error) {
	var list cryptobyte.Builder
	list.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, part := range parts {
			b.AddBytes(part)
		}
	})
	content, err := list.Bytes()
	if err != nil {
		return nil, err
	}
	defer clear(content)
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(sha256.New, password, salt, 1, sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	var file cryptobyte.Builder
	file.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(3)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidData)
			b.AddASN1(explicit, func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { addPBMAC1(b, salt) })
				b.AddASN1OctetString(mac.Sum(nil))
			})
			b.AddASN1OctetString(nil)
		})
	})
	return file.Bytes()
}

// addPBMAC1 adds the algorithm of the MAC.
func addPBMAC1(b *cryptobyte.Builder, salt []byte) {
	b.AddASN1ObjectIdentifier(oidPBMAC1)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidPBKDF2)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1OctetString(salt)
				b.AddASN1Int64(1)
				b.AddASN1Int64(sha256.Size)
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidHMACSHA256) })
			})
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidHMACSHA256) })
	})
}
