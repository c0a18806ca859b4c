package keyfit

import "github.com/keyward/keyward/pkg/keyform"

// Facts are what the vault tells of a key without telling the key. Zero is not told.
type Facts struct {
	// Kind is what the value is. Text and bytes hold no key pair.
	Kind keyform.Kind
	// Bytes is the length of a key that was stored as bytes.
	Bytes int
	// Algorithm is the kind and size of an asymmetric key, such as `RSA-2048`, `EC-P256`,
	// `Ed25519` and `X25519`.
	Algorithm string
	// Private says that the asymmetric key is a private one.
	Private bool
	// Fingerprint is that of the public key.
	Fingerprint string
	// Problem is why a value that looks like a key pair is none, as a sentence.
	Problem string
	// Forms are how the value can be read as a key of a usual length. They are set only
	// where the lengths were asked for.
	Forms []keyform.Form
	// LineEnd says that the value is such a key but for its final line end.
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

// Public reports whether the value is the public part of a key pair alone.
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

// Holds says what the value is, as what a sentence ends with.
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
