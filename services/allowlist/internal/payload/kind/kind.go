// Package kind implements the encryption of selected values: a symmetric cipher, RSA, JSON Web
// Encryption, OpenPGP, the Cryptographic Message Syntax, or none.
//
// A [Kind] begins an outgoing message (an [envelope.Sealing]) or a received one (an
// [envelope.Opening]). For a symmetric [Cipher], a supply provides the secret that its key is
// derived from: the secret is shared, sent along, agreed on, or known from the exchange. Package
// derive derives the key, and package symmetric works with it.
package kind

import (
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// A Kind is the encryption of the selected values, between the selection and the envelope.
type Kind interface {
	// Sealing begins an outgoing message, and Opening a received one.
	Sealing(m *message.Message) (envelope.Sealing, error)
	Opening(m *message.Message) (envelope.Opening, error)
	// Needs returns the keys that are needed to encrypt and to decrypt. Versions before the current
	// one are accepted if the scheme tells a wrong key from a right one.
	Needs() (encrypt, decrypt []message.Need)
}
