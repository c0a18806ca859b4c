//go:build !failpoint

package failpoint

// Hit ends the program if this is the hit for which a test asked. Without the tag failpoint, it does
// nothing.
func Hit(Point) {}
