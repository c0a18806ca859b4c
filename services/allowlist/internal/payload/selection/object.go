package selection

import "github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"

type object struct {
	text     string
	path     jsonbytes.Path
	set      *jsonbytes.Set
	document bool
}

// NewObject selects one value of a JSON body, of any type, and seals its exact JSON text. The
// value is replaced by a JSON document if document is set, and otherwise by text, which becomes
// a string. If there are violations, NewObject returns no usable selection.
func NewObject(path string, document bool) (Selection, []Violation) {
	p, ok := jsonbytes.ParsePath(path)
	if !ok || !p.Exact() {
		return nil, []Violation{{"path", "must be a path of at most 256 bytes: $ and then .name, ['name'], or [index]"}}
	}
	return &object{path, p, jsonbytes.NewSet(p), document}, nil
}

func (b *object) Single() bool { return true }

func (b *object) Covers(p jsonbytes.Path) bool { return b.path.Overlaps(p) }

func (b *object) Encrypt(body []byte, s Sealer) ([]byte, error) {
	spans, missing, err := b.set.Locate(body, 1)
	switch {
	case err != nil:
		return nil, bodyError(err)
	case missing >= 0:
		return nil, &BodyError{Reason: "the selected value is missing", Path: b.text}
	}
	if err := s.Prepare(1); err != nil {
		return nil, err
	}
	v := spans[0]
	value := body[v.Start:v.End]
	out := make([]byte, 0, len(body)-len(value)+len(`""`)+s.SealedLen(len(value)))
	out = append(out, body[:v.Start]...)
	if b.document {
		out, err = s.Seal(out, value)
	} else {
		out, err = appendSealed(out, value, s)
	}
	if err != nil {
		return nil, withPath(err, b.text)
	}
	return append(out, body[v.End:]...), nil
}

func (b *object) Decrypt(body []byte, o Opener) ([]byte, error) {
	defer o.Wipe()
	spans, missing, err := b.set.Locate(body, 1)
	if err != nil || missing >= 0 {
		return nil, ErrSelect
	}
	if err := o.Prepare(1); err != nil {
		return nil, err
	}
	v := spans[0]
	open := openString
	if b.document {
		open = func(value []byte, o Opener) ([]byte, error) { return o.Open(value) }
	}
	value, err := open(body[v.Start:v.End], o)
	switch {
	case err != nil:
		return nil, err
	case !jsonbytes.Valid(value):
		return nil, ErrValue
	}
	out := make([]byte, 0, len(body)-(v.End-v.Start)+len(value))
	out = append(append(out, body[:v.Start]...), value...)
	return append(out, body[v.End:]...), nil
}
