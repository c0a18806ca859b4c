package payload

// A sealing protects the values of one message.
type sealing interface {
	// prepare tells how many values there will be.
	prepare(values int) error
	// textLen returns about how long the texts of all holes are for a value of n bytes.
	textLen(n int) int
	// seal protects a value. After it, appendText writes the texts of its holes.
	seal(value []byte) error
	appendText(dst []byte, hole int) []byte
}

// reading finds the texts of an envelope's holes. Lengths are those that are known
// beforehand, or nil.
type reading func(lengths []int) ([][]byte, error)

// An opening opens the values of one message.
type opening interface {
	// prepare tells how many values there are.
	prepare(values int)
	// open returns a value, which is good until the next call. Errors are stages, or
	// about our side.
	open(read reading) ([]byte, error)
	// wipe zeroes what the opening holds of values, the one returned last included.
	wipe()
}
