package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// maxRecipients is the largest number of recipients of a message that is read.
const maxRecipients = 16

// TagBytes is the length of the tag of an authenticated message.
const TagBytes = 16

// A Cipher is the cipher of the content.
type Cipher int

// The ciphers. The GCM ciphers are those of AuthEnvelopedData.
const (
	AES128CBC Cipher = iota + 1
	AES192CBC
	AES256CBC
	TripleDESCBC
	AES128GCM
	AES256GCM
)

// oid returns the object identifier of the cipher, or nothing for an unknown cipher.
func (c Cipher) oid() string {
	switch c {
	case AES128CBC:
		return "\x60\x86\x48\x01\x65\x03\x04\x01\x02"
	case AES192CBC:
		return "\x60\x86\x48\x01\x65\x03\x04\x01\x16"
	case AES256CBC:
		return "\x60\x86\x48\x01\x65\x03\x04\x01\x2a"
	case TripleDESCBC:
		return "\x2a\x86\x48\x86\xf7\x0d\x03\x07"
	case AES128GCM:
		return "\x60\x86\x48\x01\x65\x03\x04\x01\x06"
	case AES256GCM:
		return "\x60\x86\x48\x01\x65\x03\x04\x01\x2e"
	default:
		return ""
	}
}

// authenticated reports whether the cipher authenticates the content.
func (c Cipher) authenticated() bool { return c == AES128GCM || c == AES256GCM }

// ivBytes returns the length of the IV.
func (c Cipher) ivBytes() int {
	switch c {
	case TripleDESCBC:
		return 8
	case AES128GCM, AES256GCM:
		return 12
	default:
		return 16
	}
}

// The algorithms of key transport.
const (
	oidRSA       = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01" // 1.2.840.113549.1.1.1
	oidOAEP      = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07" // 1.2.840.113549.1.1.7
	oidMGF1      = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08" // 1.2.840.113549.1.1.8
	oidSpecified = "\x2a\x86\x48\x86\xf7\x0d\x01\x01\x09" // 1.2.840.113549.1.1.9
)

// An Envelope is an encrypted message: AuthEnvelopedData for a cipher that authenticates, and
// EnvelopedData for the others.
type Envelope struct {
	Cipher Cipher
	IV     []byte
	// Ciphertext is the encrypted content. For a cipher that authenticates, its tag is separate.
	Ciphertext, Tag []byte
	// Recipients contains those that received a content key by key transport.
	Recipients []Recipient
	// AAD is the associated data of a received message.
	AAD []byte
	// Signed says that the content of a received message is a SignedData without a content type.
	Signed bool
}

// A Recipient received the content key.
type Recipient struct {
	// id is the issuer and the serial number, or the identifier of the key, as a whole element.
	id []byte
	// OAEP is nil for PKCS #1 v1.5.
	OAEP *keys.OAEP
	// Key is the encrypted content key.
	Key []byte
}

// NewRecipient returns the recipient that a certificate names.
func NewRecipient(certificate *x509.Certificate, oaep *keys.OAEP, key []byte) Recipient {
	return Recipient{id: issuerAndSerial(certificate), OAEP: oaep, Key: key}
}

// Is reports whether the recipient is named by a certificate.
func (r Recipient) Is(certificate *x509.Certificate) bool {
	if len(r.id) == 0 || r.id[0] == tagSequence {
		return bytes.Equal(r.id, issuerAndSerial(certificate))
	}
	id := reader{rest: r.id}
	return len(certificate.SubjectKeyId) > 0 && bytes.Equal(id.octets(tag0), certificate.SubjectKeyId)
}

// issuerAndSerial returns the name of a certificate.
func issuerAndSerial(certificate *x509.Certificate) []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(certificate.RawIssuer)
		b.AddASN1BigInt(certificate.SerialNumber)
	})
	return b.BytesOrPanic()
}

// Marshal returns the DER of the message.
func (e *Envelope) Marshal() []byte {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(e.Ciphertext)+2048))
	kind := oidEnveloped
	if e.Cipher.authenticated() {
		kind = oidAuthEnveloped
	}
	addContentInfo(b, kind, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) {
			for _, r := range e.Recipients {
				r.add(b)
			}
		})
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addOID(b, oidData)
			e.addAlgorithm(b)
			b.AddASN1(asn1.Tag(tag0), func(b *cryptobyte.Builder) { b.AddBytes(e.Ciphertext) })
		})
		if e.Cipher.authenticated() {
			b.AddASN1OctetString(e.Tag)
		}
	})
	return b.BytesOrPanic()
}

// addAlgorithm adds the algorithm of the content.
func (e *Envelope) addAlgorithm(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addOID(b, e.Cipher.oid())
		if !e.Cipher.authenticated() {
			b.AddASN1OctetString(e.IV)
			return
		}
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(e.IV)
			b.AddASN1Int64(TagBytes)
		})
	})
}

// add adds a KeyTransRecipientInfo.
func (r Recipient) add(b *cryptobyte.Builder) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(r.id)
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if r.OAEP == nil {
				addOID(b, oidRSA)
				b.AddASN1NULL()
				return
			}
			addOID(b, oidOAEP)
			addOAEP(b, *r.OAEP)
		})
		b.AddASN1OctetString(r.Key)
	})
}

// addOAEP adds the parameters of OAEP. DER omits defaults: SHA-1 and an empty label.
func addOAEP(b *cryptobyte.Builder, o keys.OAEP) {
	explicit := func(b *cryptobyte.Builder, tag asn1.Tag, oid string, parameters func(*cryptobyte.Builder)) {
		b.AddASN1(tag, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addOID(b, oid)
				parameters(b)
			})
		})
	}
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if o.Hash != crypto.SHA1 {
			explicit(b, tagExplicit0, hashOID(o.Hash), (*cryptobyte.Builder).AddASN1NULL)
		}
		if mgf := mgf1(o); mgf != crypto.SHA1 {
			explicit(b, tagExplicit1, oidMGF1, func(b *cryptobyte.Builder) { addHash(b, mgf) })
		}
		if o.Label != "" {
			explicit(b, tagExplicit2, oidSpecified, func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte(o.Label)) })
		}
	})
}

// mgf1 returns the hash of the mask generation function.
func mgf1(o keys.OAEP) crypto.Hash {
	if o.MGF1 == 0 {
		return o.Hash
	}
	return o.MGF1
}

// SameOAEP reports whether two paddings are the same: PKCS #1 v1.5 if they are nil, or OAEP with the
// same options.
func SameOAEP(a, b *keys.OAEP) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Hash == b.Hash && mgf1(*a) == mgf1(*b) && a.Label == b.Label
}

// ReadEnvelope reads an encrypted message, which must have the given cipher. The result shares memory
// with the message. It fails with [ErrMessage].
func ReadEnvelope(message []byte, cipher Cipher) (*Envelope, error) {
	kind, content := contentInfo(message)
	e := &Envelope{Cipher: cipher}
	authenticated := cipher.authenticated()
	if want := map[bool]string{false: oidEnveloped, true: oidAuthEnveloped}[authenticated]; kind != want {
		return nil, ErrMessage
	}
	body := content.enter(tagSequence)
	body.take(tagInteger)
	body.skip(tagExplicit0) // certificates and revocation lists of the sender
	recipients := body.enter(tagSet)
	for n := 0; recipients.more(); n++ {
		if n == maxRecipients {
			return nil, ErrMessage
		}
		if !recipients.has(tagSequence) { // another way than key transport
			recipients.next()
			continue
		}
		e.Recipients = append(e.Recipients, readRecipient(recipients))
	}
	recipients.leave(body)
	e.readContent(body)
	if authenticated {
		e.readTag(body)
	} else {
		body.skip(tagExplicit1) // attributes
	}
	body.leave(content)
	if content.failed || content.more() {
		return nil, ErrMessage
	}
	return e, nil
}

// readContent reads the encrypted content.
func (e *Envelope) readContent(body *reader) {
	info := body.enter(tagSequence)
	switch info.oid() {
	case oidData:
	case oidSigned:
		e.Signed = true
	default:
		info.fail()
	}
	algorithm := info.enter(tagSequence)
	if algorithm.oid() != e.Cipher.oid() {
		algorithm.fail()
	}
	if e.Cipher.authenticated() {
		parameters := algorithm.enter(tagSequence)
		e.IV = parameters.octets(tagOctets)
		// The default is 12, and other lengths are as rare as weak.
		if size := parameters.take(tagInteger).body; len(size) != 1 || size[0] != TagBytes {
			parameters.fail()
		}
		parameters.leave(algorithm)
	} else {
		e.IV = algorithm.octets(tagOctets)
	}
	if len(e.IV) != e.Cipher.ivBytes() {
		algorithm.fail()
	}
	algorithm.leave(info)
	e.Ciphertext = info.octets(tag0)
	info.leave(body)
}

// readTag reads the authenticated attributes and the tag.
func (e *Envelope) readTag(body *reader) {
	if body.has(tagExplicit1) {
		e.AAD = asSet(body.next())
	}
	if e.Tag = body.octets(tagOctets); len(e.Tag) != TagBytes {
		body.fail()
	}
	body.skip(tagExplicit2)
}

// asSet returns the DER of attributes as they are authenticated or signed: with the tag of a SET.
// Attributes are DER already, or the signature does not match.
func asSet(attributes element) []byte {
	if attributes.raw == nil {
		return nil
	}
	var b cryptobyte.Builder
	b.AddASN1(asn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(attributes.body) })
	return b.BytesOrPanic()
}

// readRecipient reads a KeyTransRecipientInfo.
func readRecipient(recipients *reader) (r Recipient) {
	info := recipients.enter(tagSequence)
	info.take(tagInteger)
	if info.has(tag0) {
		r.id = info.take(tag0).raw
	} else {
		r.id = readIssuer(info)
	}
	algorithm := info.enter(tagSequence)
	switch algorithm.oid() {
	case oidRSA:
		algorithm.skip(tagNull)
	case oidOAEP:
		r.OAEP = readOAEP(algorithm)
	default:
		// The entry is for another recipient.
		algorithm.rest = nil
		r.OAEP = new(keys.OAEP)
	}
	algorithm.leave(info)
	r.Key = info.octets(tagOctets)
	info.leave(recipients)
	return r
}

// readIssuer reads an issuer and a serial number, and returns them as [issuerAndSerial] does.
func readIssuer(info *reader) []byte {
	id := info.enter(tagSequence)
	issuer, serial := id.take(tagSequence).raw, id.take(tagInteger).raw
	id.leave(info)
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(issuer)
		b.AddBytes(serial)
	})
	return b.BytesOrPanic()
}

// readOAEP reads the parameters of OAEP. The hash of an unsupported algorithm is 0.
func readOAEP(algorithm *reader) *keys.OAEP {
	o := &keys.OAEP{Hash: crypto.SHA1, MGF1: crypto.SHA1}
	if !algorithm.more() {
		return o
	}
	parameters := algorithm.enter(tagSequence)
	if parameters.has(tagExplicit0) {
		explicit := parameters.enter(tagExplicit0)
		o.Hash = readHash(explicit)
		explicit.leave(parameters)
	}
	if parameters.has(tagExplicit1) {
		explicit := parameters.enter(tagExplicit1)
		mask := explicit.enter(tagSequence)
		if mask.oid() != oidMGF1 {
			mask.fail()
		}
		o.MGF1 = readHash(mask)
		mask.leave(explicit)
		explicit.leave(parameters)
	}
	if parameters.has(tagExplicit2) {
		explicit := parameters.enter(tagExplicit2)
		source := explicit.enter(tagSequence)
		if source.oid() != oidSpecified {
			source.fail()
		}
		o.Label = string(source.octets(tagOctets))
		source.leave(explicit)
		explicit.leave(parameters)
	}
	parameters.leave(algorithm)
	return o
}
