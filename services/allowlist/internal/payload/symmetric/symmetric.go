// Package symmetric implements the ciphers with a key that both sides share: their algorithms,
// modes, and padding.
//
// A [Suite] is an algorithm with its sizes, and a [Box] is a suite with a key. A new cipher is one
// line in the table of algorithms (cipher.go), and one more [Mode] if it works differently.
package symmetric
