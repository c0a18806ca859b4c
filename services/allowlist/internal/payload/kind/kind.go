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
