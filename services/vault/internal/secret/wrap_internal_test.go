package secret

import (
	"bytes"
	"encoding/hex"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// wrapOf returns a wrapped data key that starts with the ID of its key.
func wrapOf(id, rest string) []byte {
	raw, err := hex.DecodeString("01" + id)
	if err != nil {
		panic(err)
	}
	return append(raw, rest...)
}

// unknownFields are fields that this program does not know, before and behind the known ones.
func unknownFields() []byte {
	unknown := protowire.AppendTag(nil, 9, protowire.VarintType)
	unknown = protowire.AppendVarint(unknown, 7)
	unknown = protowire.AppendTag(unknown, 999, protowire.BytesType)
	return protowire.AppendString(unknown, "later")
}

func rowsOfVersions(t testing.TB) map[string][]byte {
	t.Helper()
	value := func(id string, wrapped []byte) *stored.Value {
		return &stored.Value{Algorithm: stored.Algorithm_ALGORITHM_AES_256_GCM, KeyId: id, WrappedKey: wrapped, Ciphertext: []byte("ciphertext")}
	}
	rows := make(map[string][]byte)
	for name, m := range map[string]*stored.Version{
		"a value":                         {LastChange: 7, Value: value("", wrapOf("0a0b0c0d", "wrapped")), Public: []byte("public")},
		"a wrap that does not name a key": {LastChange: 7, Value: value("other", []byte("wrapped"))},
		"a destroyed version":             {LastChange: 7, State: stored.State_STATE_DESTROYED},
		"fields of a later release":       with(&stored.Version{Value: with(value("", wrapOf("0a0b0c0d", "wrapped")), unknownFields())}, unknownFields()),
	} {
		row, err := encode(m)
		if err != nil {
			t.Fatal(err)
		}
		rows[name] = row
	}
	return rows
}

func decoded(t testing.TB, row []byte) *stored.Version {
	t.Helper()
	var m stored.Version
	if err := proto.Unmarshal(row, &m); err != nil {
		t.Fatal(err)
	}
	return &m
}

func TestARewrapChangesNothingThatEntriesState(t *testing.T) {
	t.Parallel()
	for name, row := range rowsOfVersions(t) {
		bare := statedForm("v1", row)
		if m := decoded(t, bare); m.GetValue().GetKeyId() != "" || m.GetValue().GetWrappedKey() != nil {
			t.Errorf("%s: the stated form has the wrap %v", name, m.GetValue())
		}
		want := decoded(t, row)
		for _, sealed := range []keyring.Sealed{
			{KeyID: "01020304", WrappedKey: wrapOf("01020304", "wrapped again")},
			{KeyID: "another", WrappedKey: []byte("of no known form")},
		} {
			rewrapped, ok := rewrappedRow(row, sealed)
			if !ok {
				t.Errorf("%s: rewrapping reports a malformed row", name)
			}
			if got := statedForm("v1", rewrapped); !bytes.Equal(got, bare) {
				t.Errorf("%s: after a rewrap, entries state\n%x\nwant\n%x", name, got, bare)
			}
			wantKey := ""
			if value := want.GetValue(); value != nil {
				wantKey, value.WrappedKey, value.KeyId = sealed.KeyID, sealed.WrappedKey, ""
				if sealed.KeyID == "another" {
					value.KeyId = sealed.KeyID
				}
			}
			if got := decoded(t, rewrapped); !proto.Equal(got, want) {
				t.Errorf("%s: rewrapped to\n%v\nwant\n%v", name, got, want)
			}
			if got, ok := wrappingKey(rewrapped); got != wantKey || !ok {
				t.Errorf("%s: wrappingKey = %q, %v, want %q", name, got, ok, wantKey)
			}
		}
	}
}

func TestOtherRowsAreStatedAsTheyAre(t *testing.T) {
	t.Parallel()
	row := rowsOfVersions(t)["a value"]
	for _, ref := range []string{"", "bholder", "p1"} {
		if got := statedForm(ref, row); !bytes.Equal(got, row) {
			t.Errorf("the row %q is stated as %x, want %x", ref, got, row)
		}
	}
	if got := statedForm("v1", []byte("malformed")); !bytes.Equal(got, []byte("malformed")) {
		t.Errorf("a malformed row is stated as %q", got)
	}
}

func FuzzWrap(f *testing.F) {
	for _, row := range rowsOfVersions(f) {
		f.Add(row)
	}
	f.Add([]byte{0x2a, 0x02, 0x1a, 0x00, 0x2a, 0x02, 0x12, 0x00}) // two values
	f.Fuzz(func(t *testing.T, row []byte) {
		var before stored.Version
		if proto.Unmarshal(row, &before) != nil {
			_, _ = withWrap(row, nil)
			_, _ = wrappingKey(row)
			return
		}
		bare, ok := withWrap(row, nil)
		if !ok {
			t.Fatal("a valid row is malformed")
		}
		id, _ := wrappingKey(row)
		if v, err := parseVersion(1, row); err == nil && id != v.Sealed.KeyID && v.Sealed.Algorithm != "" {
			t.Errorf("wrappingKey = %q, and the version has %q", id, v.Sealed.KeyID)
		}
		sealed := keyring.Sealed{KeyID: "01020304", WrappedKey: wrapOf("01020304", "again")}
		rewrapped, _ := rewrappedRow(row, sealed)
		if again, ok := withWrap(rewrapped, nil); !ok || !bytes.Equal(again, bare) {
			t.Errorf("after a rewrap, the stated form is %x, want %x", again, bare)
		}
		after := decoded(t, rewrapped)
		if value := before.GetValue(); value != nil && bytes.Equal(after.GetValue().GetWrappedKey(), sealed.WrappedKey) {
			value.KeyId, value.WrappedKey = "", sealed.WrappedKey
		} else if value.GetKeyId() != "" || len(value.GetWrappedKey()) > 0 {
			t.Error("the wrap was not replaced")
		}
		if !proto.Equal(after, &before) {
			t.Errorf("rewrapped to\n%v\nwant\n%v", after, &before)
		}
	})
}
