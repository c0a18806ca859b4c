// Package cms writes and reads messages of the Cryptographic Message Syntax (RFC 5652, earlier
// PKCS #7): EnvelopedData, AuthEnvelopedData (RFC 5083), and SignedData.
//
// An [Envelope] is the format of an encrypted message. Encrypting and decrypting its content and its
// content key is up to the caller, so that one place handles keys that fail to unwrap. [Sign] and
// [Parse] write and read signed content.
//
// # Hostile messages
//
// Anyone with a certificate can send any message, so reading is bounded: by the number of recipients
// and signers that a message names, and by the nesting of BER. Parsing takes time and memory in
// proportion to the message, and keeps slices of it instead of copies where it can. No length that a
// message states is allocated.
//
// Lengths may be indefinite, and strings may be in pieces, because streaming programs write them.
// The algorithms that a message names are compared with the configuration and select nothing.
//
// # Signatures
//
// The keys of the caller decide whether a signature is valid. Certificates in a message are ignored:
// nothing is validated against a certificate authority. A signature without signed attributes is
// only accepted for content that cannot be mistaken for signed attributes.
package cms

import "errors"

// The reasons why a message is not written or not accepted. They reveal nothing about the message or
// the key.
var (
	// ErrMessage means that the bytes are not a message of the expected kind.
	ErrMessage = errors.New("the bytes are not a message of the expected kind")
	// ErrKey means that a key cannot sign.
	ErrKey = errors.New("the key cannot sign")
	// ErrSignature means that the content is not signed by any of the keys.
	ErrSignature = errors.New("the signature is not valid")
)

// The content types.
const (
	oidData          = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"         // 1.2.840.113549.1.7.1
	oidSigned        = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"         // 1.2.840.113549.1.7.2
	oidEnveloped     = "\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"         // 1.2.840.113549.1.7.3
	oidAuthEnveloped = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17" // 1.2.840.113549.1.9.16.1.23
)

// The tags of elements.
const (
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagSequence    = 0x30
	tagSet         = 0x31
	constructed    = 0x20
	tag0           = 0x80 // of a primitive element
	tagExplicit0   = 0xa0
	tagExplicit1   = 0xa1
	tagExplicit2   = 0xa2
	tagNumbers     = 0x1f // marks a tag that continues in the next byte
	endOfContents  = 0
	indefinite     = -1
	maxNesting     = 16
	maxStringDepth = 4
)
