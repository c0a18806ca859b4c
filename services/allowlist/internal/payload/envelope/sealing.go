package envelope

// A Sealing protects the values of one message.
type Sealing interface {
	// Prepare tells how many values there will be.
	Prepare(values int) error
	// TextLen returns about how long the texts of all holes are for a value of n bytes.
	TextLen(n int) int
	// Seal protects a value. After it, appendText writes the texts of its holes.
	Seal(value []byte) error
	AppendText(dst []byte, hole int) []byte
}

// Reading finds the texts of an envelope's holes. Lengths are those that are known
// beforehand, or nil.
type Reading func(lengths []int) ([][]byte, error)

// An Opening opens the values of one message.
type Opening interface {
	// Prepare tells how many values there are.
	Prepare(values int)
	// Open returns a value, which is good until the next call. Errors are stages, or
	// about our side.
	Open(read Reading) ([]byte, error)
	// Wipe zeroes what the opening holds of values, the one returned last included.
	Wipe()
}
