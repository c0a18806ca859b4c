package envelope

// A Sealing protects the values of one message.
type Sealing interface {
	// Prepare announces the number of values.
	Prepare(values int) error
	// TextLen returns the approximate length of the strings of all holes for a value of n bytes.
	TextLen(n int) int
	// Seal protects a value. After it, AppendText writes the strings of its holes.
	Seal(value []byte) error
	AppendText(dst []byte, hole int) []byte
}

// Reading finds the strings of an envelope's holes. Lengths holds the lengths that are known in
// advance, or nil.
type Reading func(lengths []int) ([][]byte, error)

// An Opening decrypts the values of one message.
type Opening interface {
	// Prepare announces the number of values.
	Prepare(values int)
	// Open returns a value, which is valid until the next call. Errors are stages, or concern our
	// side.
	Open(read Reading) ([]byte, error)
	// Wipe zeroes the values that the opening holds, including the last one returned.
	Wipe()
}
