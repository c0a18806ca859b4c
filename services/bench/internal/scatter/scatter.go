// Package scatter turns consecutive numbers into numbers that look random. They are the same in
// each run, so that runs are comparable.
package scatter

import (
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// Number returns a number for a number: different ones for different ones. It is the finalizer of
// SplitMix64.
func Number(n uint64) uint64 {
	n = (n + 0x9e3779b97f4a7c15)
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// Index returns a number for a number from 0 up to, but not including, size.
func Index(n uint64, size int) int { return int(Number(n) % uint64(size)) }

// unpadded is the encoding of [Text].
var unpadded = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Text returns a string of a length for a number. From 13 characters on, different numbers have
// different strings.
func Text(n uint64, length int) string {
	var b strings.Builder
	for n = Number(n); b.Len() < length; n = Number(n) {
		b.WriteString(unpadded.EncodeToString(binary.BigEndian.AppendUint64(nil, n)))
	}
	return b.String()[:length]
}
