package rows

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// written returns the content of a store after some creates, in a simple layout: a row of the
// secret, a row by its uid, the entry of a log, and two rows of the commit.
func written(creates int) (Snapshot, []Secret) {
	all := Snapshot{"head\x00": {size: 100, hash: uint64(creates)}}
	var secrets []Secret
	for i := range creates {
		s := Secret{ID: fmt.Sprintf("key-%03d", i), UID: fmt.Sprintf("aaaaaaaaaaaaaaaaaaaaaaa%03d", i)}
		secrets = append(secrets, s)
		sequence := string(binary.BigEndian.AppendUint64(nil, uint64(i)))
		all["secret\x00ws\x00"+s.ID+"\x00"] = value{size: 200}
		all["value\x00"+s.UID+"\x00\x01"] = value{size: 300 + i%2*2}
		all["log\x00"+sequence] = value{size: 50}
		if i%4 == 0 {
			all["list\x00"+sequence] = value{size: 8}
		}
	}
	return all, secrets
}

func TestLearnFindsTheRowsOfAChange(t *testing.T) {
	t.Parallel()
	before, _ := written(10)
	after, secrets := written(74)
	got := Learn(before, after, secrets[10:], 64)
	if len(got.Delete) != 0 {
		t.Errorf("Learn finds deleted rows %v, want none", got.Delete)
	}
	want := map[string]struct {
		bytes, each int
		kinds       []Kind
	}{
		"head":   {100, 0, []Kind{Literal}},
		"list":   {8, 0, []Kind{Literal, Counter}},
		"log":    {50, 1, []Kind{Literal, Counter}},
		"secret": {200, 1, []Kind{Literal, ID, Literal}},
		"value":  {301, 1, []Kind{Literal, UID, Literal}},
	}
	for _, row := range got.Put {
		name := string(space(row.Key[0].Bytes))
		w := want[name]
		delete(want, name)
		var kinds []Kind
		for _, p := range row.Key {
			kinds = append(kinds, p.Kind)
		}
		if row.Bytes != w.bytes || row.Each != w.each || fmt.Sprint(kinds) != fmt.Sprint(w.kinds) {
			t.Errorf("row %s = %d bytes, %d each, %v; want %+v", name, row.Bytes, row.Each, kinds, w)
		}
	}
	if len(want) > 0 {
		t.Errorf("Learn does not find %v", want)
	}
}

func TestARowThatAChangeMovesIsDeletedInItsOldPlace(t *testing.T) {
	t.Parallel()
	secrets := []Secret{{"a", "u"}, {"b", "v"}}
	at := func(time uint64, id string) string {
		return "time\x00" + string(binary.BigEndian.AppendUint64(nil, time)) + id
	}
	before := Snapshot{at(10, "a"): {}, at(20, "b"): {}}
	after := Snapshot{at(300, "a"): {}, at(400, "b"): {}}
	got := Learn(before, after, secrets, 2)
	if len(got.Put) != 1 || len(got.Delete) != 1 || got.Put[0].Shape != got.Delete[0].Shape {
		t.Fatalf("Learn = %+v, want one row that is written and one that is deleted, of one shape", got)
	}
	if key := got.Put[0].Key; len(key) != 3 || key[1].Kind != Counter || len(key[1].Bytes) != counterSize {
		t.Errorf("key = %v, want a counter of %d bytes", key, counterSize)
	}
}

func TestRandomBytesAreNotACounter(t *testing.T) {
	t.Parallel()
	after := Snapshot{"equal\x00aaaaaaaaaaaaaaaa\x00id-1": {}, "equal\x00zbzbzbzbzbzbzbzb\x00id-2": {}}
	got := Learn(nil, after, []Secret{{"id-1", "uid-1"}, {"id-2", "uid-2"}}, 2)
	if len(got.Put) != 1 || len(got.Put[0].Key) != 4 || got.Put[0].Key[1].Kind != Random {
		t.Errorf("Learn = %+v, want a random part", got.Put)
	}
}

func TestAUIDIsFoundAsTextAndAsBytes(t *testing.T) {
	t.Parallel()
	const uid = "rzc6e5wss7rgtfyawcfxvpedti"
	raw := RawOf(uid)
	if len(raw) != 16 || UIDSize(len(raw)) != len(uid) {
		t.Fatalf("RawOf(%q) has %d bytes and UIDSize is %d, want 16 and %d", uid, len(raw), UIDSize(len(raw)), len(uid))
	}
	after := Snapshot{"text\x00" + uid + "\x00": {}, "bytes\x00" + string(raw): {}}
	got := Learn(nil, after, []Secret{{"payments", uid}}, 1)
	if len(got.Put) != 2 || got.Put[0].Key[1].Kind != RawUID || got.Put[1].Key[1].Kind != UID {
		t.Fatalf("Learn = %+v, want a row with the uid as bytes and one with its text", got.Put)
	}
	for _, row := range got.Put {
		key := string(row.Build(Secret{"other", uid}, 7))
		if _, ok := after[key]; !ok {
			t.Errorf("Build = %q, want a key of the snapshot", key)
		}
	}
}
