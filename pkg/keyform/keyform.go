// Package keyform parses keys in the forms in which people have them.
//
// The vault parses a value when it is stored, and the allowlist parses it when it is used. Both
// use this package, so that they agree about the value: what the vault shows as a key works, and
// the same key in two spellings is the same key.
//
//   - [ParsePublic] and [ParsePrivate] parse asymmetric keys.
//   - [Decode] decodes symmetric keys.
//   - [Look] describes a value.
//   - [Convert] converts PKCS #12 and JWK to PEM or bytes.
//
// # Lenient if the bytes are certain
//
// Asymmetric keys are accepted in any spelling, because DER that parses completely leaves no
// doubt: PEM without line ends or without its END line, bare base64 or hexadecimal, a header that
// names another form, UTF-16. For symmetric keys, only characters that cannot change the bytes are
// ignored: white space, a byte order mark, colons between hexadecimal digits. Nothing else is
// dropped silently.
//
// # Promises
//
// The package is pure: bytes in, bytes out. It stores nothing and does not change its input.
// Results are copies that the caller owns and zeroes after use. Internal decoded copies are
// zeroed. Errors never quote the input.
//
// The effort is limited for inputs of 64 KiB: a DER of more than 5 KiB is not a key, and only the
// first few private keys in a file are parsed.
package keyform

import "errors"

var (
	// ErrDecoding means that a stored secret does not match its decoding.
	ErrDecoding = errors.New("the secret does not decode")
	// ErrKey means that a value is not a key of a supported kind and length. [Problem] wraps it and
	// has the cause.
	ErrKey = errors.New("the key is not of a usable kind and length")
)

// The forms of keys that cannot be used, as [Problem.Form].
const (
	// FormNone is a value that is not a recognized asymmetric key.
	FormNone = "NOT_A_KEY"
	// FormEncrypted is a private key that is encrypted with a passphrase.
	FormEncrypted = "ENCRYPTED_PRIVATE_KEY"
	// FormRequest is a request for a certificate.
	FormRequest = "CERTIFICATE_REQUEST"
	// FormKind is a key with an unsupported algorithm or curve.
	FormKind = "UNSUPPORTED_ALGORITHM"
	// FormSize is an RSA key with an unsupported length.
	FormSize = "UNSUPPORTED_RSA_KEY"
	// FormIncomplete is PEM with a missing part.
	FormIncomplete = "INCOMPLETE_PEM"
	// FormBroken is a key whose parts do not fit together or do not match its header.
	FormBroken = "BROKEN_KEY"
	// FormPKCS12 is a PKCS #12 file that was not converted.
	FormPKCS12 = "PKCS12"
	// FormPKCS12Password is a PKCS #12 file that cannot be decrypted with the password.
	FormPKCS12Password = "PKCS12_PASSWORD"
	// FormPKCS7 is a PKCS #7 file, which contains certificates.
	FormPKCS7 = "PKCS7"
	// FormJavaKeystore is a Java keystore in one of Java's own formats.
	FormJavaKeystore = "JAVA_KEYSTORE"
	// FormPuTTY is a private key of PuTTY.
	FormPuTTY = "PUTTY_PRIVATE_KEY"
	// FormSSH is an SSH key in an unsupported format.
	FormSSH = "SSH_KEY"
	// FormJWK is a JWK that is not a usable key.
	FormJWK = "JWK"
	// FormSeveral is a file with several private keys.
	FormSeveral = "SEVERAL_PRIVATE_KEYS"
	// FormPGP is an OpenPGP key where another kind of key is needed.
	FormPGP = "PGP_KEY"
	// FormPublicOnly is a public key or certificate where a private key is needed.
	FormPublicOnly = "NO_PRIVATE_KEY"
)

// A Problem is the reason why a value that looks like a key cannot be used as one. It is an error
// that wraps [ErrKey].
type Problem struct { //nolint:errname // most who ask for it do not get it as an error
	// Form is the form of the value, such as [FormEncrypted].
	Form string
	// Cause is a sentence, such as "The private key is encrypted."
	Cause string
	// Remedy is the remedy, as one or more sentences, with a command if one helps.
	Remedy string
	// Algorithm is the algorithm of the key, if known.
	Algorithm string
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
