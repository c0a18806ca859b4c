// Package symmetric holds the ciphers that both sides share a key for: their algorithms,
// modes and padding.
//
// A [Suite] is an algorithm with its sizes, and a [Box] is a suite with a key. A new cipher
// is one line in the table of algorithms (cipher.go), and one more [Mode] where it works in a
// way of its own.
package symmetric
