package keyring

import "encoding/binary"

// A domain is what a key is used for. It comes first in all associated data, so that
// nothing sealed for one use opens for another.
type domain string

const (
	domainRecordKey domain = "keyward record key"
	domainRecord    domain = "keyward record"
	domainKeyset    domain = "keyward keyset"
	domainRoot      domain = "keyward root" // of an earlier release
	domainDerive    domain = "keyward derive"
	domainText      domain = "keyward text"
	domainDataKey   domain = "keyward data key"
	domainValue     domain = "keyward value"
	domainBackup    domain = "keyward backup"
)

// bind returns the associated data of a use in a context. Each part follows its
// length, so that no two contexts have the same bytes.
func (d domain) bind(parts ...string) []byte {
	size := 8 + len(d)
	for _, part := range parts {
		size += 8 + len(part)
	}
	data := frame(make([]byte, 0, size), string(d))
	for _, part := range parts {
		data = frame(data, part)
	}
	return data
}

func frame(data []byte, part string) []byte {
	return append(binary.BigEndian.AppendUint64(data, uint64(len(part))), part...)
}
