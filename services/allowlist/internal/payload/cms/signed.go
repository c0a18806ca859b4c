package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"fmt"
	"io"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/keyward/keyward/pkg/memory"
)

// MaxSigners is the largest number of signatures of a message that is read.
const MaxSigners = 4

// The attributes and the algorithms of signatures.
const (
	oidContentType   = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03" // 1.2.840.113549.1.9.3
	oidMessageDigest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04" // 1.2.840.113549.1.9.4
)

// hashOID returns the object identifier of a hash, or nothing for an unsupported one.
func hashOID(h crypto.Hash) string {
	return map[crypto.Hash]string{
		crypto.SHA1: "\x2b\x0e\x03\x02\x1a", crypto.SHA256: "\x60\x86\x48\x01\x65\x03\x04\x02\x01",
		crypto.SHA384: "\x60\x86\x48\x01\x65\x03\x04\x02\x02", crypto.SHA512: "\x60\x86\x48\x01\x65\x03\x04\x02\x03",
	}[h]
}

// rsaOID returns the object identifier of RSASSA-PKCS1-v1_5 with a hash.
func rsaOID(h crypto.Hash) string {
	return map[crypto.Hash]string{
		crypto.SHA1: "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", crypto.SHA256: "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
		crypto.SHA384: "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", crypto.SHA512: "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
	}[h]
}

// ecdsaOID returns the object identifier of ECDSA with a hash.
func ecdsaOID(h crypto.Hash) string {
	return map[crypto.Hash]string{
		crypto.SHA1: "\x2a\x86\x48\xce\x3d\x04\x01", crypto.SHA256: "\x2a\x86\x48\xce\x3d\x04\x03\x02",
		crypto.SHA384: "\x2a\x86\x48\xce\x3d\x04\x03\x03", crypto.SHA512: "\x2a\x86\x48\xce\x3d\x04\x03\x04",
	}[h]
}

// addOID adds an object identifier.
func addOID(b *cryptobyte.Builder, oid string) {
	b.AddASN1(asn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes([]byte(oid)) })
}

// addHash adds the algorithm of a hash.
func addHash(b *cryptobyte.Builder, h crypto.Hash) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, hashOID(h))
		b.AddASN1NULL()
	})
}

// readHash reads the algorithm of a hash. It returns 0 for an unsupported one.
func readHash(r *reader) crypto.Hash {
	algorithm := r.enter(tagSequence)
	oid := algorithm.oid()
	algorithm.skip(tagNull)
	algorithm.leave(r)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if hashOID(h) == oid {
			return h
		}
	}
	return 0
}

// addContentInfo adds a message of a content type, whose content is a sequence.
func addContentInfo(b *cryptobyte.Builder, kind string, content func(*cryptobyte.Builder)) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, kind)
		b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { b.AddASN1(asn1.SEQUENCE, content) })
	})
}

// Sign returns the content with a signature by an RSA or ECDSA key, as DER. The message includes the
// certificate, and its attributes are the content type and the digest. It fails with [ErrKey] for
// another kind of key.
func Sign(random io.Reader, hash crypto.Hash, key crypto.PrivateKey, certificate *x509.Certificate, content []byte) ([]byte, error) {
	attributes := attributesOf(digest(hash, content))
	algorithm, signature, err := sign(random, hash, key, digest(hash, attributes))
	if err != nil {
		return nil, err
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(content)+len(certificate.Raw)+2048))
	addContentInfo(b, oidSigned, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { addHash(b, hash) })
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oidData)
			b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
		})
		b.AddASN1(tagExplicit0, func(b *cryptobyte.Builder) { b.AddBytes(certificate.Raw) })
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddBytes(issuerAndSerial(certificate))
				addHash(b, hash)
				b.AddBytes(append([]byte{tagExplicit0}, attributes[1:]...))
				b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
					addOID(b, algorithm)
					if algorithm == oidRSA {
						b.AddASN1NULL()
					}
				})
				b.AddASN1OctetString(signature)
			})
		})
	})
	return b.BytesOrPanic(), nil
}

// attributesOf returns the DER of the signed attributes. The content type comes first: it is
// shorter, which is the order of DER.
func attributesOf(sum []byte) []byte {
	var b cryptobyte.Builder
	attribute := func(b *cryptobyte.Builder, oid string, value func(*cryptobyte.Builder)) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oid)
			b.AddASN1(asn1.SET, value)
		})
	}
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
		attribute(b, oidContentType, func(b *cryptobyte.Builder) { addOID(b, oidData) })
		attribute(b, oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(sum) })
	})
	return b.BytesOrPanic()
}

func digest(hash crypto.Hash, content []byte) []byte {
	h := hash.New()
	h.Write(content)
	return h.Sum(nil)
}

// sign signs a digest.
func sign(random io.Reader, hash crypto.Hash, key crypto.PrivateKey, sum []byte) (algorithm string, signature []byte, err error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		algorithm = oidRSA
		signature, err = memory.Erased(func() ([]byte, error) { return rsa.SignPKCS1v15(random, key, hash, sum) })
	case *ecdsa.PrivateKey:
		algorithm = ecdsaOID(hash)
		signature, err = memory.Erased(func() ([]byte, error) { return ecdsa.SignASN1(random, key, sum) })
	default:
		err = ErrKey
	}
	if err != nil {
		return "", nil, fmt.Errorf("sign: %w", err)
	}
	return algorithm, signature, nil
}

// Signed is signed content that was read. It shares memory with the message.
type Signed struct {
	Content []byte
	// signers contains the signatures that use the expected hash.
	signers []signer
	hash    crypto.Hash
}

// A signer is one signature.
type signer struct {
	// attributes is the DER of the signed attributes, or nil.
	attributes []byte
	algorithm  string
	signature  []byte
}

// Parse reads signed content whose signatures use the hash. If bare is true, the content type does
// not precede the SignedData. It fails with [ErrMessage].
func Parse(message []byte, hash crypto.Hash, bare bool) (*Signed, error) {
	content := &reader{rest: message}
	if !bare {
		var kind string
		if kind, content = contentInfo(message); kind != oidSigned {
			return nil, ErrMessage
		}
	}
	s := &Signed{hash: hash}
	body := content.enter(tagSequence)
	body.take(tagInteger)
	body.take(tagSet) // of all hashes
	info := body.enter(tagSequence)
	if info.oid() != oidData {
		info.fail()
	}
	explicit := info.enter(tagExplicit0)
	s.Content = explicit.octets(tagOctets)
	explicit.leave(info)
	info.leave(body)
	body.skip(tagExplicit0) // certificates
	body.skip(tagExplicit1) // revocation lists
	signers := body.enter(tagSet)
	for n := 0; signers.more(); n++ {
		if n == MaxSigners {
			return nil, ErrMessage
		}
		s.readSigner(signers)
	}
	signers.leave(body)
	body.leave(content)
	if content.failed || content.more() {
		return nil, ErrMessage
	}
	return s, nil
}

// readSigner reads one signature.
func (s *Signed) readSigner(signers *reader) {
	info := signers.enter(tagSequence)
	info.take(tagInteger)
	if info.has(tag0) {
		info.next()
	} else {
		info.take(tagSequence)
	}
	hash := readHash(info)
	var made signer
	if info.has(tagExplicit0) {
		made.attributes = asSet(info.next())
	}
	algorithm := info.enter(tagSequence)
	made.algorithm = algorithm.oid() // its parameters are absent or NULL, or those of another algorithm
	made.signature = info.octets(tagOctets)
	info.skip(tagExplicit1) // unsigned attributes
	info.leave(signers)
	if hash == s.hash {
		s.signers = append(s.signers, made)
	}
}

// Signers returns the number of signatures that Verify compares with each key.
func (s *Signed) Signers() int { return len(s.signers) }

// Verify returns the first of the keys that has made one of the signatures. It fails with
// [ErrSignature].
func (s *Signed) Verify(publics []crypto.PublicKey) (which int, err error) {
	sum := digest(s.hash, s.Content)
	for _, signer := range s.signers {
		signed := sum
		switch {
		case signer.attributes != nil:
			if !attributesMatch(signer.attributes, sum) {
				continue
			}
			signed = digest(s.hash, signer.attributes)
		case bytes.HasPrefix(s.Content, []byte{tagSet}):
			// Signed attributes of another message could be passed off as content.
			continue
		}
		which := slices.IndexFunc(publics, func(public crypto.PublicKey) bool { return signer.verify(s.hash, public, signed) })
		if which >= 0 {
			return which, nil
		}
	}
	return 0, ErrSignature
}

// verify reports whether a key has signed a digest.
func (s signer) verify(hash crypto.Hash, public crypto.PublicKey, sum []byte) bool {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return (s.algorithm == oidRSA || s.algorithm == rsaOID(hash)) && rsa.VerifyPKCS1v15(public, hash, sum, s.signature) == nil
	case *ecdsa.PublicKey:
		return s.algorithm == ecdsaOID(hash) && ecdsa.VerifyASN1(public, sum, s.signature)
	default:
		return false
	}
}

// attributesMatch reports whether signed attributes are those of data with a digest: each exactly
// once, with one value.
func attributesMatch(attributes, sum []byte) bool {
	outer := &reader{rest: attributes}
	all := outer.enter(tagSet)
	var types, digests int
	for all.more() {
		attribute := all.enter(tagSequence)
		oid := attribute.oid()
		values := attribute.enter(tagSet)
		switch oid {
		case oidContentType:
			types++
			if values.oid() != oidData {
				return false
			}
			values.leave(attribute)
		case oidMessageDigest:
			digests++
			if subtle.ConstantTimeCompare(values.octets(tagOctets), sum) == 0 {
				return false
			}
			values.leave(attribute)
		}
		attribute.leave(all)
	}
	return !all.failed && types == 1 && digests == 1
}
