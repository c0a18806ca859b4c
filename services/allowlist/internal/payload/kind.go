package payload

// A kind is what a profile does to the selected values, between the selection and the
// envelope.
type kind interface {
	// sealing and opening begin a message.
	sealing(m *message) (sealing, error)
	opening(m *message) (opening, error)
}

// A sealing protects the values of one message.
type sealing interface {
	// prepare tells how many values there will be.
	prepare(values int) error
	// textLen returns about how long the texts of all holes are for a value of n bytes.
	textLen(n int) int
	// seal protects a value. After it, appendText writes the texts of its holes.
	seal(value []byte) error
	appendText(dst []byte, hole int) []byte
	// wipe zeroes what the message leaves behind.
	wipe()
}

// reading finds the texts of an envelope's holes. Lengths are those that are known
// beforehand, or nil.
type reading func(lengths []int) ([][]byte, error)

// An opening opens the values of one message.
type opening interface {
	// open returns a value, which is good until the next call. Errors are stages, or
	// about our side.
	open(read reading) ([]byte, error)
	// close zeroes keys, and wipe also what was returned last.
	close()
	wipe()
}
