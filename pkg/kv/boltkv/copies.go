package boltkv

// copies copies the pairs that a scan yields. Several pairs share one allocation, because most scans
// yield many short pairs that are used together.
type copies struct {
	// left is the maximum number of pairs that the scan still yields.
	left int
	free []byte
}

// A chunk has the pairs of one allocation: at most chunkPairs of the size of the first one, and
// chunkBytes, so that a pair that is kept keeps little else.
const (
	chunkPairs = 32
	chunkBytes = 4096
)

// of returns copies of a key and a value, which the caller owns.
func (c *copies) of(key, value []byte) (keyCopy, valueCopy []byte) {
	size := len(key) + len(value)
	if size > len(c.free) {
		c.free = make([]byte, max(size, min(size*min(c.left, chunkPairs), chunkBytes)))
	}
	copy(c.free[copy(c.free, key):], value)
	keyCopy, valueCopy = c.free[:len(key):len(key)], c.free[len(key):size:size]
	c.free = c.free[size:]
	return keyCopy, valueCopy
}
