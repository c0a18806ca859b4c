package selection_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

// bare leaves values unchanged, so that the benchmark measures the selection only.
type bare struct{}

func (bare) Prepare(int) error                      { return nil }
func (bare) SealedLen(n int) int                    { return n }
func (bare) Seal(dst, value []byte) ([]byte, error) { return append(dst, value...), nil }
func (bare) Open(text []byte) ([]byte, error)       { return text, nil }
func (bare) Wipe()                                  {}

// BenchmarkSelection includes bodies that want to be slow.
func BenchmarkSelection(b *testing.B) {
	fields := fieldsOf(b, selection.FieldsConfig{Paths: []string{"$.a", "$.b[*]"}, Optional: true, ValueForm: selection.Text})
	members := fieldsOf(b, selection.FieldsConfig{Paths: []string{"$[*]"}, ValueForm: selection.Text})
	form := formOf(b, selection.FormConfig{Names: []string{"a"}, Optional: true})
	const mib = 1 << 20
	for _, test := range []struct {
		name string
		selection.Selection
		body string
	}{
		{"one value", fields, `{"x":"` + strings.Repeat("x", 900) + `","a":"value"}`},
		{"a long string", fields, `{"a":"` + strings.Repeat("x", mib) + `"}`},
		{"escapes", fields, `{"a":"` + strings.Repeat(`\n`, mib/2) + `"}`},
		{"many values", fields, `{"b":[` + strings.Repeat("0,", 65535) + `0]}`},
		{"many members", members, `{` + numbered(65536) + `}`},
		{"many members off the path", fields, `{` + numbered(65536) + `}`},
		{"brackets", fields, `{"x":[` + strings.Repeat("[[[[]]]],", mib/9) + `0]}`},
		{"a form", form, strings.Repeat("x=1&", mib/8) + "a=" + strings.Repeat("/", mib/2)},
		{"a form of long names", form, strings.Repeat(strings.Repeat("%61", 200)+"=&", mib/602)},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.SetBytes(int64(len(test.body)))
			b.ReportAllocs()
			body := []byte(test.body)
			for b.Loop() {
				if _, err := test.Encrypt(body, bare{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// numbered returns n members of an object.
func numbered(n int) string {
	var s strings.Builder
	for i := range n {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteString(`"` + strings.Repeat("n", i%8) + string(rune('a'+i%26)) + string(rune(0x4e00+i/26)) + `":0`)
	}
	return s.String()
}
