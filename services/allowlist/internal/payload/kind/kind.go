// Package kind holds what a profile does to a selected value: a symmetric cipher, RSA, JSON Web
// Encryption, OpenPGP, or nothing.
//
// A [Kind] begins a message that goes out (an [envelope.Sealing]) or came in (an
// [envelope.Opening]). Of a symmetric [Cipher], a supply says where the secret comes from that its
// key is made of: it is shared, sent along, agreed on, or known from the exchange. Package derive
// makes the key of it, and package symmetric works with that key.
package kind

import (
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

// A Kind is what a profile does to the selected values, between the selection and the
// envelope.
type Kind interface {
	// Sealing and opening begin a message.
	Sealing(m *message.Message) (envelope.Sealing, error)
	Opening(m *message.Message) (envelope.Opening, error)
	// Needs returns what it takes to encrypt and to decrypt. Versions before the current one
	// are welcome where a wrong key is told from a right one.
	Needs() (encrypt, decrypt []message.Need)
}
