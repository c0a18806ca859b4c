package describe

import (
	"crypto"
	"crypto/sha256"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// A Derivation describes how a key is derived from a secret.
type Derivation struct {
	keys.Derivation
	// Field is the path of the derivation, such as `request.cipher.shared_key.derivation`.
	Field string
	// EncodingName is the contract's name of the encoding of a digest, such as `BASE64_MIME`. It is
	// empty for all other derivations.
	EncodingName string
	// SentSalt is the length of a salt that is generated and sent, or 0. SecretSalt says that the
	// salt is a secret instead, which is listed in [Profile.Keys].
	SentSalt   int
	SecretSalt bool
	// SaltIV is the number of bytes at the end of the sent salt that are the IV instead.
	SaltIV int
	// Salted says that there is a salt of any kind.
	Salted bool
	// WrongInfo is the position of the first piece of a counter's info that is missing or too long, from
	// 1, or 0 if all pieces are valid.
	WrongInfo int
	// KeyBytes is the length of the cipher's key. Bytes is the total length of the derived bytes: the
	// key, followed by the IV or the key of a MAC if it is derived, too.
	KeyBytes, Bytes int
}

// HashCalls estimates how often a derivation calls its hash function.
func (d *Derivation) HashCalls() int64 {
	if d == nil {
		return 0
	}
	switch d.Function {
	case keys.PBKDF2:
		return 2 * int64(d.Iterations)
	case keys.EVPBytesToKey:
		return 3 * int64(d.Iterations)
	case keys.Scrypt:
		return int64(d.N) * int64(max(8, d.R)) * int64(d.P)
	default:
		return 0
	}
}

// DerivationOf describes a derivation at any place.
func DerivationOf(pb *allowlistv1.Derivation) *Derivation { return derivationOf("", pb) }

// derivationOf describes a derivation. It returns nil if pb is nil.
func derivationOf(field string, pb *allowlistv1.Derivation) *Derivation {
	if pb == nil {
		return nil
	}
	d := &Derivation{
		Derivation: parameters(pb), Field: field,
		SentSalt: int(pb.GetSalt().GetSentBytes()), SecretSalt: pb.GetSalt().GetSecret() != nil, Salted: pb.GetSalt() != nil,
	}
	d.WrongInfo = wrongInfo(pb.GetCounterKdf().GetInfo())
	if digest := pb.GetDigest(); digest != nil {
		d.EncodingName = name(digest.GetEncoding(), "ENCODING_")
	}
	return d
}

// parameters returns the parameters of a derivation, with the defaults filled in. Without a
// function, it returns the zero value.
func parameters(pb *allowlistv1.Derivation) keys.Derivation {
	switch function := pb.GetFunction().(type) {
	case *allowlistv1.Derivation_Digest:
		encodings := map[allowlistv1.Encoding]keys.Encoding{
			allowlistv1.Encoding_ENCODING_HEX: keys.EncodeHex, allowlistv1.Encoding_ENCODING_HEX_UPPER: keys.EncodeHexUpper,
			allowlistv1.Encoding_ENCODING_BASE64: keys.EncodeBase64, allowlistv1.Encoding_ENCODING_BASE64URL: keys.EncodeBase64URL,
			// No key is longer than a line of MIME base64.
			allowlistv1.Encoding_ENCODING_BASE64_MIME: keys.EncodeBase64,
		}
		return keys.Derivation{
			Function: keys.Digest, Hash: Hash(function.Digest.GetHash(), 0),
			Encoding: encodings[function.Digest.GetEncoding()], Take: int(function.Digest.GetTake()),
		}
	case *allowlistv1.Derivation_EvpBytesToKey:
		return keys.Derivation{
			Function: keys.EVPBytesToKey, Hash: Hash(function.EvpBytesToKey.GetHash(), 0),
			Iterations: int(max(1, function.EvpBytesToKey.GetIterations())),
		}
	case *allowlistv1.Derivation_Pbkdf2:
		return keys.Derivation{
			Function: keys.PBKDF2, Hash: Hash(function.Pbkdf2.GetHash(), crypto.SHA256),
			Iterations: int(function.Pbkdf2.GetIterations()),
		}
	case *allowlistv1.Derivation_Scrypt:
		r, p := function.Scrypt.GetR(), function.Scrypt.GetP()
		if r == 0 {
			r = 8
		}
		return keys.Derivation{Function: keys.Scrypt, N: int(function.Scrypt.GetN()), R: int(r), P: int(max(1, p))}
	case *allowlistv1.Derivation_Hkdf:
		return keys.Derivation{Function: keys.HKDF, Hash: Hash(function.Hkdf.GetHash(), crypto.SHA256), Info: function.Hkdf.GetInfo()}
	case *allowlistv1.Derivation_CounterKdf:
		return keys.Derivation{
			Function: keys.Counter, Hash: Hash(function.CounterKdf.GetHash(), crypto.SHA256),
			Info: counterInfo(function.CounterKdf.GetInfo()), CounterAfter: function.CounterKdf.GetCounterAfterSecret(),
		}
	default:
		return keys.Derivation{}
	}
}

// wrongInfo returns the position of the first invalid piece of an info, from 1, or 0.
func wrongInfo(pieces []*allowlistv1.KdfInfo) int {
	const most, mostDigested = 128, 256
	for i, piece := range pieces {
		n := len(piece.GetText()) + len(piece.GetCountedText())
		digested := len(piece.GetSha256Of())
		if n+digested == 0 || n > most || digested > mostDigested {
			return i + 1
		}
	}
	return 0
}

// counterInfo returns the concatenated pieces of an info.
func counterInfo(pieces []*allowlistv1.KdfInfo) string {
	var info strings.Builder
	for _, piece := range pieces {
		switch p := piece.GetPiece().(type) {
		case *allowlistv1.KdfInfo_Text:
			info.WriteString(p.Text)
		case *allowlistv1.KdfInfo_CountedText:
			info.WriteByte(byte(len(p.CountedText))) // longer ones are refused
			info.WriteString(p.CountedText)
		case *allowlistv1.KdfInfo_Sha256Of:
			sum := sha256.Sum256([]byte(p.Sha256Of))
			info.Write(sum[:])
		}
	}
	return info.String()
}
