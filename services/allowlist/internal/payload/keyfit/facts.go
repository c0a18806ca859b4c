package keyfit

import "github.com/keyward/keyward/pkg/keyform"

// Facts is the metadata that the vault reports about a key without revealing the key. A zero field
// is unknown.
type Facts struct {
	// Kind is the kind of the value. Text and bytes are not a key pair.
	Kind keyform.Kind
	// Bytes is the length of a key that was stored as bytes.
	Bytes int
	// Algorithm is the kind and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519` and `X25519`.
	Algorithm string
	// Private says that the asymmetric key is a private key.
	Private bool
	// Fingerprint is the fingerprint of the public key.
	Fingerprint string
	// Problem says in a sentence why a value that looks like a key pair is not valid.
	Problem string
	// Forms contains the ways to read the value as a key of a usual length. It is set only if the
	// lengths were requested.
	Forms []keyform.Form
	// LineEnd says that the value would be such a key without its final line end.
	LineEnd bool
}

// PGP reports whether the value is an OpenPGP key.
func (f Facts) PGP() bool {
	return f.Kind == keyform.KindPGPPrivateKey || f.Kind == keyform.KindPGPPublicKey
}

// Pair reports whether the value is a key pair, or a part of one.
func (f Facts) Pair() bool {
	switch f.Kind {
	case keyform.KindPrivateKey, keyform.KindPublicKey, keyform.KindCertificate, keyform.KindPGPPrivateKey, keyform.KindPGPPublicKey:
		return true
	default:
		return f.Algorithm != ""
	}
}

// Public reports whether the value is only the public part of a key pair.
func (f Facts) Public() bool {
	switch f.Kind {
	case keyform.KindPublicKey, keyform.KindCertificate, keyform.KindPGPPublicKey:
		return true
	case keyform.KindUnknown:
		return f.Algorithm != "" && !f.Private
	default:
		return false
	}
}

// Holds describes the value in words that can end a sentence.
func (f Facts) Holds() string {
	what := map[keyform.Kind]string{
		keyform.KindPrivateKey: "a private key", keyform.KindPublicKey: "a public key", keyform.KindCertificate: "a certificate",
		keyform.KindPGPPrivateKey: "an OpenPGP private key", keyform.KindPGPPublicKey: "an OpenPGP public key",
	}[f.Kind]
	if what == "" {
		what = "a key pair"
	}
	if f.Algorithm != "" {
		what += " (" + f.Algorithm + ")"
	}
	return what
}
