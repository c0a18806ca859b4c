package describe

import (
	"crypto"
	"encoding/base64"
	"encoding/hex"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A KeySource is the source of the secret that a cipher's key is derived from.
type KeySource int

// The sources.
const (
	KeyMissing   KeySource = iota
	KeyShared              // both sides have it
	KeySession             // it is generated and sent, wrapped
	KeyAgreed              // both sides agree on it
	KeyExchanged           // it is the key of the message that this one answers
)

// A Cipher is a symmetric cipher with all its settings.
type Cipher struct {
	Algorithm allowlistv1.Cipher_Algorithm
	Suite     symmetric.Suite
	// Padding and TagBytes are as configured, whether or not the algorithm has them. They default to
	// PKCS #7 and 0.
	Padding  symmetric.Padding
	TagBytes int
	Key      KeySource
	// Session is set for KeySession. Curve and its name in the contract are set for KeyAgreed.
	Session   *Session
	Curve     keys.Curve
	CurveName string
	// EphemeralFirst says that the ephemeral key precedes the agreed secret in the derivation, and
	// EphemeralSPKI that it is sent as a SubjectPublicKeyInfo.
	EphemeralFirst, EphemeralSPKI bool
	// Derivation is nil if the secret is the key.
	Derivation *Derivation
	IV         IVRule
	// MAC authenticates the ciphertext. It is nil if nothing does, or the cipher itself.
	MAC *MAC
	AAD AAD
	// Framing surrounds a value inside its ciphertext.
	Framing symmetric.Framing
}

// An IVRule defines the source of an IV.
type IVRule struct {
	// Source defaults to RANDOM. ECB has no IV: then Bytes is 0.
	Source allowlistv1.Iv_Source
	Bytes  int
	// Suffix is the path of the value whose end is the IV, for FIELD_SUFFIX.
	Suffix string
	// Wrapped says that the IV is sent wrapped, like the session key.
	Wrapped bool
}

// Generated reports whether the IV is random and therefore different for each message or value.
func (i IVRule) Generated() bool {
	switch i.Source {
	case allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT, allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		return i.Bytes > 0
	}
	return false
}

// Sent reports whether the IV must be sent in a separate part.
func (i IVRule) Sent() bool {
	return i.Generated() && i.Source != allowlistv1.Iv_SOURCE_IN_PLAINTEXT
}

// A MAC authenticates a ciphertext.
type MAC struct {
	// Algorithm is the contract's name of the algorithm, such as `HMAC_SHA256`.
	Algorithm string
	Hash      crypto.Hash
	// OwnKey says that the MAC has a separate key instead of the cipher's.
	OwnKey bool
	// DerivedBytes is the length of a key that is derived after the cipher's, or 0.
	DerivedBytes int
	// Input is the template of the authenticated string.
	Input string
}

// AAD is the associated data of a cipher. The zero AAD means that there is no associated data.
type AAD struct {
	// Given says that there is associated data.
	Given bool
	// Text is the constant associated data. Sent says that it is sent in a part.
	Text string
	Sent bool
	// Suffix is the path of the value whose last bytes are the associated data, and Bytes is their
	// number.
	Suffix string
	Bytes  int
}

// A Wrap is the encryption of a session key.
type Wrap int

// The wraps.
const (
	WrapMissing  Wrap = iota
	WrapOAEP          // RSA with OAEP
	WrapPKCS1v15      // RSA with PKCS #1 v1.5
	WrapAES           // AES Key Wrap
)

// A SessionForm is the form in which a session key is wrapped.
type SessionForm int

// The forms.
const (
	FormRaw          SessionForm = iota
	FormAlphanumeric             // the key consists of letters and digits
	FormBase64
	FormHex
)

// String returns the contract's name of the form in lower case.
func (f SessionForm) String() string { return [...]string{"raw", "alphanumeric", "base64", "hex"}[f] }

// WrappedLen returns the number of bytes to wrap for a key of n bytes.
func (f SessionForm) WrappedLen(n int) int {
	switch f {
	case FormBase64:
		return base64.StdEncoding.EncodedLen(n)
	case FormHex:
		return hex.EncodedLen(n)
	default:
		return n
	}
}

// A Session is a key that is generated and sent, wrapped.
type Session struct {
	Wrap Wrap
	OAEP *keys.OAEP // for WrapOAEP
	Form SessionForm
	// Bytes is the length of the key.
	Bytes int
}

// cipherOf describes a cipher.
func cipherOf(path string, pb *allowlistv1.Cipher) *Cipher {
	c := &Cipher{Algorithm: pb.GetAlgorithm(), Suite: symmetric.SuiteOf(pb), Padding: symmetric.PaddingOf(pb.GetPadding()), TagBytes: int(pb.GetTagBytes()), AAD: aadOf(pb.GetAad())}
	c.Framing = symmetric.Framing{
		Random: int(pb.GetFraming().GetRandomBytes()), Length: pb.GetFraming().GetLength(), Suffix: pb.GetFraming().GetSuffix(),
	}
	c.IV = IVRule{Source: max(pb.GetIv().GetSource(), allowlistv1.Iv_SOURCE_RANDOM), Bytes: c.Suite.IV, Suffix: pb.GetIv().GetFieldSuffix()}
	if c.Suite.Mode == symmetric.ModeECB {
		c.IV.Bytes = 0
	}
	if mac := pb.GetMac(); mac != nil {
		c.MAC = &MAC{Algorithm: name(mac.GetAlgorithm(), "ALGORITHM_"), Hash: MACHash(mac.GetAlgorithm()), OwnKey: mac.GetKey() != nil, DerivedBytes: int(mac.GetDerivedKeyBytes()), Input: mac.GetInput()}
	}
	var derivation *allowlistv1.Derivation
	switch key := pb.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		c.Key, derivation, path = KeyShared, key.SharedKey.GetDerivation(), path+".shared_key"
	case *allowlistv1.Cipher_SessionKey:
		c.Key, derivation, path = KeySession, key.SessionKey.GetDerivation(), path+".session_key"
		c.Session = sessionOf(key.SessionKey, c.Suite.Key)
	case *allowlistv1.Cipher_Ecdh:
		c.Key, derivation, path = KeyAgreed, key.Ecdh.GetDerivation(), path+".ecdh"
		c.CurveName = name(key.Ecdh.GetCurve(), "CURVE_")
		if c.Curve = keys.X25519; key.Ecdh.GetCurve() == allowlistv1.Ecdh_CURVE_P256 {
			c.Curve = keys.P256
		}
		c.EphemeralFirst, c.EphemeralSPKI = key.Ecdh.GetDeriveFromEphemeralKey(), key.Ecdh.GetEphemeralKeyAsSpki()
	case *allowlistv1.Cipher_ExchangeKey:
		c.Key = KeyExchanged
	}
	c.Derivation = derivationOf(path+".derivation", derivation)
	c.fitKey()
	return c
}

// fitKey sets the number of bytes to derive: a key, and the IV or the key of a MAC if it is derived,
// too.
func (c *Cipher) fitKey() {
	d := c.Derivation
	if d == nil {
		return
	}
	d.KeyBytes = c.Suite.Key
	if d.Function == keys.Digest && c.Suite.TripleDES {
		// A digest of 16 bytes is a two-key Triple DES key.
		if _, wrong := d.Check(16); wrong == "" {
			d.KeyBytes = 16
		}
	}
	d.Bytes = d.KeyBytes
	switch c.IV.Source {
	case allowlistv1.Iv_SOURCE_DERIVED:
		d.Bytes += c.Suite.IV
	case allowlistv1.Iv_SOURCE_SALT_SUFFIX:
		d.SaltIV = c.Suite.IV
	}
	if c.MAC != nil {
		d.Bytes += c.MAC.DerivedBytes
	}
}

// sessionOf describes a session key for a cipher whose key has n bytes.
func sessionOf(pb *allowlistv1.SessionKey, n int) *Session {
	s := &Session{Bytes: n}
	if bytes := int(pb.GetBytes()); bytes != 0 {
		s.Bytes = bytes
	}
	switch pb.GetForm() {
	case allowlistv1.SessionKey_FORM_ALPHANUMERIC:
		s.Form = FormAlphanumeric
	case allowlistv1.SessionKey_FORM_BASE64:
		s.Form = FormBase64
	case allowlistv1.SessionKey_FORM_HEX:
		s.Form = FormHex
	}
	switch wrap := pb.GetWrap().(type) {
	case *allowlistv1.SessionKey_RsaOaep:
		s.Wrap, s.OAEP = WrapOAEP, OAEPOf(wrap.RsaOaep)
	case *allowlistv1.SessionKey_RsaPkcs1V15:
		s.Wrap = WrapPKCS1v15
	case *allowlistv1.SessionKey_AesKw:
		s.Wrap = WrapAES
	}
	return s
}

// aadOf describes associated data.
func aadOf(pb *allowlistv1.AssociatedData) AAD {
	a := AAD{Given: pb != nil}
	switch source := pb.GetSource().(type) {
	case *allowlistv1.AssociatedData_Text:
		a.Text = source.Text
	case *allowlistv1.AssociatedData_Sent:
		a.Text, a.Sent = source.Sent, true
	case *allowlistv1.AssociatedData_FieldSuffix:
		a.Suffix, a.Bytes = source.FieldSuffix.GetPath(), int(source.FieldSuffix.GetBytes())
	}
	return a
}
