package secret

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/resource"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

var golden = flag.Bool("update", false, "write the golden files of new records")

// A codec encodes and decodes one kind of record.
type codec struct {
	message proto.Message
	// again decodes a record and encodes it.
	again func(text []byte) ([]byte, error)
}

const goldenUID = "abcdefghijklmnopqrstuvwxya"

var goldenTime = time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)

// codecs returns a record of each kind in which each field is set.
func codecs(t testing.TB) map[string]codec {
	t.Helper()
	purpose := Purpose{Chains: []string{"raw > A", "raw > B"}, Cost: 600_000, Host: "a.example", Conflicting: true, Stated: true, Sealed: goldenTime}
	version, err := Version{
		LastChange: 7, Created: goldenTime, State: Disabled, UID: strings.Repeat("ab", 16), SameAs: 2,
		Sealed: keyring.Sealed{Algorithm: keyring.Algorithm, KeyID: "123456789", WrappedKey: []byte("wrapped"), Ciphertext: []byte("ciphertext")},
		Prints: []Print{{1}, {2}}, Public: []byte("public"), Facts: &Facts{Bytes: 32, Private: true},
		AllowedHosts: []string{"a.example", "b.example:8443"}, Ports: true, WeakReason: "weak",
	}.message()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]codec{
		"secret": {Secret{
			UID: goldenUID, LastChange: 7, Created: goldenTime, Updated: goldenTime.Add(time.Second), Revision: resource.FirstRevision(goldenUID) + 3,
			Usage: Key, Current: 3, Last: 9, State: Disabled, Purpose: &purpose,
			Holders: []Holder{{Name: "allowlist", Bindings: 2}}, References: 1, Deferred: 24,
			Replaced:  []Replacement{{Version: 2, Time: goldenTime}},
			Rewrites:  []Rewrite{{Version: 3, Change: 7, Disabled: true}},
			Destroyed: []Span{{First: 4, Last: 5}, {First: 7, Last: 7}},
			// No secret has all of these.
			AllowedHosts: []string{"a.example"}, Ports: true, UsedPorts: []string{"a.example:8443"},
			Shared: true, Public: true, Kind: AES256, EarlierUse: Digested, IssuedBy: "workspaces/acme/endpoints/login",
			Description: "a description", Labels: map[string]string{"a": "1", "b": "2"}, RotationPeriod: time.Hour, RotationDue: goldenTime.Add(time.Hour),
			KeepVersions: 5, Expires: goldenTime.Add(2 * time.Hour),
			DeletedAt: goldenTime, PurgeAt: goldenTime.Add(time.Minute), CheckFailures: 4, EarlierCheckFailures: 5,
			Restores: 2, Skipped: []Span{{First: 6, Last: 6}, {First: 8, Last: 8}},
		}.message(), func(text []byte) ([]byte, error) {
			s, err := parseSecret(Name{}, text)
			if err != nil {
				return nil, err
			}
			return encode(s.message())
		}},
		"version": {version, func(text []byte) ([]byte, error) {
			v, err := parseVersion(1, text)
			if err != nil {
				return nil, err
			}
			m, err := v.message()
			if err != nil {
				return nil, err
			}
			return encode(m)
		}},
		"binding": {Binding{
			LastChange: 7, Created: goldenTime, Usage: Credential, Referrer: "workspaces/acme/endpoints/e", Host: "a.example", Port: 8443,
			Versions: []uint32{1, 3}, Purpose: purpose, Issue: true,
		}.message(), func(text []byte) ([]byte, error) {
			var b Binding
			if err := b.parse(text); err != nil {
				return nil, err
			}
			return encode(b.message())
		}},
		"nonces": {Nonces{Used: 100, Bits: 96, First: goldenTime, Base: 10}.message(), recode(func(m *stored.Nonces) proto.Message { return noncesFrom(m).message() })},
		"uses":   {Uses{Used: 3, Failed: 2, Opened: 1, Last: goldenTime}.message(), recode(func(m *stored.Uses) proto.Message { return usesFrom(m).message() })},
		"sealing": {sealingSetting{LastChange: 7, Required: true, Revision: 2}.message(), recode(func(m *stored.Sealing) proto.Message {
			return sealingFrom(m).message()
		})},
		"printed": {&stored.Printed{Id: "key", Keeper: 1}, recode(func(m *stored.Printed) proto.Message { return m })},
		"count":   {&stored.Count{Count: 3}, recode(func(m *stored.Count) proto.Message { return m })},
		"detail": {Detail{
			OldDescription: "old", NewDescription: "new", OldLabels: map[string]string{"a": "1"}, NewLabels: map[string]string{"a": "2"},
			OldAllowedHosts: []string{"a.example"}, NewAllowedHosts: []string{"b.example"}, Referrers: []string{"workspaces/acme/endpoints/e"},
			OldRotationPeriod: time.Hour, NewRotationPeriod: time.Minute, OldChains: []string{"raw > A"}, Chains: []string{"raw > B"},
			OldCost: 1, NewCost: 2, WeakReason: "weak",
			OldKeepVersions: 1, NewKeepVersions: 2, OldExpires: goldenTime, NewExpires: goldenTime.Add(time.Hour),
			PurgeAt: goldenTime, Same: true,
		}.message(), func(text []byte) ([]byte, error) {
			d, err := parseDetail(text)
			if err != nil {
				return nil, err
			}
			return encode(d.message())
		}},
	}
}

func recode[T any, M interface {
	*T
	readable
}](again func(M) proto.Message) func([]byte) ([]byte, error) {
	return func(text []byte) ([]byte, error) {
		m := M(new(T))
		if err := decode(text, m); err != nil {
			return nil, err
		}
		return encode(again(m))
	}
}

// dump returns the bytes of a record as hexadecimal, one line for each field.
func dump(t testing.TB, m proto.Message, text []byte) string {
	t.Helper()
	var out strings.Builder
	for rest := text; len(rest) > 0; {
		number, _, size := protowire.ConsumeField(rest)
		if size < 0 {
			t.Fatalf("malformed record: %v", protowire.ParseError(size))
		}
		fmt.Fprintf(&out, "%x # %s\n", rest[:size], m.ProtoReflect().Descriptor().Fields().ByNumber(number).Name())
		rest = rest[size:]
	}
	return out.String()
}

func undump(t testing.TB, file []byte) (text []byte) {
	t.Helper()
	for line := range strings.Lines(string(file)) {
		digits, _, _ := strings.Cut(line, " #")
		field, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, field...)
	}
	return text
}

// The bytes of a record never change: earlier and later releases read them, and the log has
// digests of them.
func TestRecordsAreStoredAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, c := range codecs(t) {
		path := filepath.Join("testdata", "records", name+".txt")
		text, err := encode(c.message)
		if err != nil {
			t.Fatal(err)
		}
		got := dump(t, c.message, text)
		if *golden {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs from its golden file (-want +got):\n%s", name, diff)
		}
		fields := c.message.ProtoReflect().Descriptor().Fields()
		for i := range fields.Len() {
			if field := fields.Get(i); !c.message.ProtoReflect().Has(field) {
				t.Errorf("%s has no %s, which the golden file must show", name, field.Name())
			}
		}
	}
}

func TestARecordIsStoredAgainAsItWasRead(t *testing.T) {
	t.Parallel()
	for name, c := range codecs(t) {
		want, err := os.ReadFile(filepath.Join("testdata", "records", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		text := undump(t, want)
		if got, err := c.again(text); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s is stored again as %x, %v, want %x", name, got, err, text)
		}
	}
}

// A later release adds a field to each message. This release keeps them.
func TestUnknownFieldsSurviveAChange(t *testing.T) {
	t.Parallel()
	for name, c := range codecs(t) {
		if name == "detail" { // entries never change
			continue
		}
		later := withUnknown(c.message)
		text, err := encode(later)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.again(text); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s with unknown fields is stored again as\n%x, %v, want\n%x", name, got, err, text)
		}
	}
}

func FuzzRecords(f *testing.F) {
	for _, c := range codecs(f) {
		text, err := encode(c.message)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	all := codecs(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, c := range all {
			first, err := c.again(text)
			if err != nil {
				continue
			}
			second, err := c.again(first)
			if err != nil || !bytes.Equal(first, second) {
				t.Errorf("%s %x is stored as %x, and then as %x, %v", name, text, first, second, err)
			}
		}
	})
}
