package secret

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keyward/keyward/pkg/keyring"
)

// # The wrap of a data key
//
// The row of a version contains the data key of its value, wrapped by a key of the keyring. Once the
// keyring encrypts with another key, the data keys are wrapped again (rewrap.go). That is no change
// of a secret and has no entry in the log, so entries state the row of a version without its wrap:
// without the ID of the key and the wrapped data key.
//
// These functions work on encoded rows, so that all other bytes stay as they are, including fields
// that this program does not know.

// The numbers of the fields of a stored version and its value.
const (
	numberValue      protowire.Number = 5
	numberKeyID      protowire.Number = 2
	numberWrappedKey protowire.Number = 3
)

// statedForm returns a row in the form that entries of the log state. A malformed row has no other
// form.
func statedForm(ref string, row []byte) []byte {
	if ref == "" || kind(ref[0]) != kindVersion {
		return row
	}
	if bare, ok := withWrap(row, nil); ok {
		return bare
	}
	return row
}

// rewrappedRow returns the row of a version with another wrap of its data key. It reports false for a
// malformed row.
func rewrappedRow(row []byte, sealed keyring.Sealed) (rewrapped []byte, ok bool) {
	var wrap []byte
	if sealed.KeyID != keyring.WrappedBy(sealed.WrappedKey) {
		wrap = protowire.AppendTag(wrap, numberKeyID, protowire.BytesType)
		wrap = protowire.AppendString(wrap, sealed.KeyID)
	}
	wrap = protowire.AppendTag(wrap, numberWrappedKey, protowire.BytesType)
	wrap = protowire.AppendBytes(wrap, sealed.WrappedKey)
	return withWrap(row, wrap)
}

// withWrap returns the row of a version with other encoded fields in place of those of its wrap, if
// it has a wrap. It reports false for a malformed row.
func withWrap(row, wrap []byte) (changed []byte, ok bool) {
	changed = make([]byte, 0, len(row)+len(wrap))
	for len(row) > 0 {
		f, ok := cutField(&row)
		if !ok {
			return nil, false
		}
		if !f.isValue() {
			changed = append(changed, f.whole...)
			continue
		}
		kept, wrapped, ok := sizeWithoutWrap(f.content)
		if !ok {
			return nil, false
		}
		if !wrapped {
			changed = append(changed, f.whole...)
			continue
		}
		changed = protowire.AppendTag(changed, numberValue, protowire.BytesType)
		changed = protowire.AppendVarint(changed, uint64(kept+len(wrap)))
		for rest := f.content; len(rest) > 0; {
			if f, _ := cutField(&rest); !f.isWrap() {
				changed = append(changed, f.whole...)
				continue
			}
			changed, wrap = append(changed, wrap...), nil
		}
	}
	return changed, true
}

// sizeWithoutWrap returns the size of an encoded value without its wrap, and whether it has one.
func sizeWithoutWrap(value []byte) (size int, wrapped, ok bool) {
	for len(value) > 0 {
		f, ok := cutField(&value)
		if !ok {
			return 0, false, false
		}
		if f.isWrap() {
			wrapped = true
		} else {
			size += len(f.whole)
		}
	}
	return size, wrapped, true
}

// wrappingKey returns the ID of the key that wraps the data key of the row of a version. It is empty
// for a row without a value.
func wrappingKey(row []byte) (id string, ok bool) {
	var named, wrapped []byte
	for len(row) > 0 {
		f, ok := cutField(&row)
		if !ok {
			return "", false
		}
		if !f.isValue() {
			continue
		}
		for rest := f.content; len(rest) > 0; {
			f, ok := cutField(&rest)
			switch {
			case !ok:
				return "", false
			case f.number == numberKeyID:
				named = f.content
			case f.number == numberWrappedKey:
				wrapped = f.content
			}
		}
	}
	if len(named) > 0 {
		return string(named), true
	}
	return keyring.WrappedBy(wrapped), true
}

// A field is an encoded field of a message.
type field struct {
	number protowire.Number
	// whole is the field with its tag, and content is its content if that is bytes.
	whole, content []byte
	isBytes        bool
}

// cutField splits the first field off an encoded message.
func cutField(message *[]byte) (f field, ok bool) {
	number, kind, tag := protowire.ConsumeTag(*message)
	if tag < 0 {
		return field{}, false
	}
	size := protowire.ConsumeFieldValue(number, kind, (*message)[tag:])
	if size < 0 {
		return field{}, false
	}
	f = field{number: number, whole: (*message)[:tag+size], isBytes: kind == protowire.BytesType}
	if f.isBytes {
		f.content, _ = protowire.ConsumeBytes((*message)[tag:])
	}
	*message = (*message)[tag+size:]
	return f, true
}

// isValue reports whether a field of a version is its value.
func (f field) isValue() bool { return f.number == numberValue && f.isBytes }

// isWrap reports whether a field of a value belongs to the wrap.
func (f field) isWrap() bool {
	return f.isBytes && (f.number == numberKeyID || f.number == numberWrappedKey)
}
