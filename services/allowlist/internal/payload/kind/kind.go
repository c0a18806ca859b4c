package payload

// A kind is what a profile does to the selected values, between the selection and the
// envelope.
type kind interface {
	// sealing and opening begin a message.
	sealing(m *message) (sealing, error)
	opening(m *message) (opening, error)
	// needs returns what it takes to encrypt and to decrypt. Versions before the current one
	// are welcome where a wrong key is told from a right one.
	needs() (encrypt, decrypt []need)
}
