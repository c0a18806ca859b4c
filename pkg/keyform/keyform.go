// Package keyform reads keys in the forms that people have them in.
//
// The vault looks at a value when it is stored, and the allowlist reads it when it is used. Both
// do it with this package, so that they agree on what a value is: what the vault shows as a key
// works, and the same key in two spellings is the same key.
//
//   - [ParsePublic] and [ParsePrivate] read asymmetric keys.
//   - [Decode] reads symmetric keys.
//   - [Look] says what a value is.
//   - [Convert] makes PEM or bytes of PKCS #12 and JWK.
//
// # Lenient where the bytes are certain
//
// Asymmetric keys are read however they are spelled, since DER that parses completely leaves no
// doubt: PEM without its line ends or its END line, bare base64 or hexadecimal, a header that
// names another form, UTF-16. Of symmetric keys, only what cannot change the bytes is passed
// over: white space, a byte order mark, colons between hexadecimal digits. Nothing else is
// dropped silently.
//
// # What it promises
//
// The package is pure: bytes in, bytes out. It keeps nothing and does not change what it reads.
// What it returns is a copy that belongs to the caller, who zeroes it after use. Decoded copies
// of its own are zeroed. Its errors never quote the input.
//
// The effort is bounded for inputs of 64 KiB: a DER of more than 5 KiB is no key, and only the
// first few private keys in a file are read.
package keyform

import "errors"

var (
	// ErrDecoding means that a stored secret is not written as its decoding says.
	ErrDecoding = errors.New("the secret does not decode")
	// ErrKey means that something is not a key of a kind and length that is taken. [Problem] is
	// one, and has the cause.
	ErrKey = errors.New("the key is not of a usable kind and length")
)

// The forms of keys that cannot be used, as [Problem.Form].
const (
	// FormNone is a value that is no asymmetric key in a form that the package recognizes.
	FormNone = "NOT_A_KEY"
	// FormEncrypted is a private key that is encrypted with a passphrase.
	FormEncrypted = "ENCRYPTED_PRIVATE_KEY"
	// FormRequest is a request for a certificate.
	FormRequest = "CERTIFICATE_REQUEST"
	// FormKind is a key of an algorithm or on a curve that is not used.
	FormKind = "UNSUPPORTED_ALGORITHM"
	// FormSize is an RSA key of a length that is not used.
	FormSize = "UNSUPPORTED_RSA_KEY"
	// FormIncomplete is PEM of which a part is missing.
	FormIncomplete = "INCOMPLETE_PEM"
	// FormBroken is a key whose parts do not fit together, or are not what its header says.
	FormBroken = "BROKEN_KEY"
	// FormPKCS12 is a PKCS #12 file that was not converted.
	FormPKCS12 = "PKCS12"
	// FormPKCS12Password is a PKCS #12 file that does not open with the password.
	FormPKCS12Password = "PKCS12_PASSWORD" //nolint:gosec // the name of a form
	// FormPKCS7 is a PKCS #7 file, which holds certificates.
	FormPKCS7 = "PKCS7"
	// FormJavaKeystore is a keystore of Java in one of its own formats.
	FormJavaKeystore = "JAVA_KEYSTORE"
	// FormPuTTY is a private key of PuTTY.
	FormPuTTY = "PUTTY_PRIVATE_KEY"
	// FormSSH is a key of SSH in a format that is not read.
	FormSSH = "SSH_KEY"
	// FormJWK is a JWK that is no usable key.
	FormJWK = "JWK"
	// FormSeveral is a file with several private keys.
	FormSeveral = "SEVERAL_PRIVATE_KEYS"
	// FormPGP is a key of OpenPGP where another one is meant.
	FormPGP = "PGP_KEY"
	// FormPublicOnly is a public key or certificate where a private key is meant.
	FormPublicOnly = "NO_PRIVATE_KEY"
)

// A Problem says why a value is no key that can be used although it looks like one. It is an
// error that is [ErrKey].
type Problem struct {
	// Form is what the value is, such as [FormEncrypted].
	Form string
	// Cause is a sentence, such as "The private key is encrypted."
	Cause string
	// Remedy says what to do, as one or more sentences, with a command where there is one.
	Remedy string
	// Algorithm is that of the key, if it is known.
	Algorithm string
	// Sound is set if the key is in order, but not of a kind that is used here, such as P-521.
	// Another program may use it.
	Sound bool
}

// Error returns the cause and the remedy.
func (p *Problem) Error() string {
	if p.Remedy == "" {
		return p.Cause
	}
	return p.Cause + " " + p.Remedy
}

// Unwrap returns [ErrKey].
func (p *Problem) Unwrap() error { return ErrKey }
