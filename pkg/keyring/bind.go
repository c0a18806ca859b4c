package keyring

import "encoding/binary"

// A use is what a key is used for. It comes first in all associated data, so that
// nothing sealed for one use opens for another.
type use string

const (
	useKeyset  use = "keyward keyset"
	useRoot    use = "keyward root"
	useDerive  use = "keyward derive"
	useText    use = "keyward text"
	useDataKey use = "keyward data key"
	useValue   use = "keyward value"
)

// bind returns the associated data of a use in a context. Each part follows its
// length, so that no two contexts have the same bytes.
func (u use) bind(parts ...string) []byte {
	size := 8 + len(u)
	for _, part := range parts {
		size += 8 + len(part)
	}
	data := frame(make([]byte, 0, size), string(u))
	for _, part := range parts {
		data = frame(data, part)
	}
	return data
}

func frame(data []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint64(data, uint64(len(part))), part...)
}
