package changelog

import (
	"encoding/base32"
	"strings"

	"github.com/google/uuid"

	"github.com/keyward/keyward/pkg/changelog/internal/stored"
)

// uidText is the usual encoding of uids of 16 bytes.
var uidText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const uidSize = 16

// shorten replaces the fields of an entry that have a shorter form. A fifth of an entry consists of
// the scope, which the name of the resource repeats, and of identifiers as text.
func shorten(m *stored.Entry) {
	if scope := m.GetScope(); scope != "" && strings.HasPrefix(m.GetResource(), scope) {
		m.Scope, m.ScopeSize = "", uint32(len(scope))
	}
	if raw, err := uidText.DecodeString(m.GetUid()); err == nil && len(raw) == uidSize && uidText.EncodeToString(raw) == m.GetUid() {
		m.Uid, m.UidBytes = "", raw
	}
	if id, err := uuid.Parse(m.GetRequestId()); err == nil && id.String() == m.GetRequestId() {
		m.RequestId, m.RequestIdBytes = "", id[:]
	}
}

// lengthen undoes shorten. Entries that were stored before there were shorter forms have none.
func lengthen(m *stored.Entry) error {
	if size := m.GetScopeSize(); size > 0 {
		if uint64(size) > uint64(len(m.GetResource())) {
			return errMalformed
		}
		m.Scope = m.GetResource()[:size]
	}
	if raw := m.GetUidBytes(); len(raw) > 0 {
		m.Uid = uidText.EncodeToString(raw)
	}
	if raw := m.GetRequestIdBytes(); len(raw) > 0 {
		id, err := uuid.FromBytes(raw)
		if err != nil {
			return errMalformed
		}
		m.RequestId = id.String()
	}
	return nil
}
