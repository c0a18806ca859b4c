package kv

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// A Key is the encoding of a tuple. Keys sort as their tuples do: strings by their bytes, numbers
// by their value. No tuple is a prefix of another one with the same number of elements of the same
// types.
//
//	NewKey("version").Text(uid).Uint(3)
//
// A Key can be extended any number of times. Each call returns a new key.
type Key []byte

var errKey = errors.New("kv: malformed key")

// Strings end with 0x00. The bytes 0x00 and 0x01 inside a string are written as 0x01 0x01 and 0x01
// 0x02, which keeps their order and reserves 0x00 for the end.
const (
	terminator = 0x00
	escape     = 0x01
)

// NewKey starts a key in the space of the given name.
func NewKey(space string) Key { return Key(nil).Text(space) }

// Text returns the key extended by a string.
func (k Key) Text(text string) Key {
	key := make(Key, len(k), len(k)+len(text)+1)
	copy(key, k)
	for i := range len(text) {
		switch c := text[i]; c {
		case terminator, escape:
			key = append(key, escape, c+1)
		default:
			key = append(key, c)
		}
	}
	return append(key, terminator)
}

// Uint returns the key extended by a number.
func (k Key) Uint(n uint64) Key {
	key := make(Key, len(k), len(k)+8)
	copy(key, k)
	return binary.BigEndian.AppendUint64(key, n)
}

// CutText splits a string off the front of a key.
func CutText(key []byte) (text string, rest []byte, err error) {
	if end := bytes.IndexByte(key, terminator); end >= 0 && bytes.IndexByte(key[:end], escape) < 0 {
		return string(key[:end]), key[end+1:], nil // most strings have no escapes
	}
	var out []byte
	for i := 0; i < len(key); i++ {
		switch key[i] {
		case terminator:
			return string(out), key[i+1:], nil
		case escape:
			if i++; i == len(key) || (key[i] != terminator+1 && key[i] != escape+1) {
				return "", nil, errKey
			}
			out = append(out, key[i]-1)
		default:
			out = append(out, key[i])
		}
	}
	return "", nil, errKey
}

// CutUint splits a number off the front of a key.
func CutUint(key []byte) (n uint64, rest []byte, err error) {
	if len(key) < 8 {
		return 0, nil, errKey
	}
	return binary.BigEndian.Uint64(key), key[8:], nil
}
