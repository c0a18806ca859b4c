package expression

import (
	"bytes"
	"strings"
	"testing"
)

// blind replaces what digests, MACs, and derivations make of the secret with a constant.
func blind(n *node) {
	for _, arg := range n.args {
		blind(arg)
	}
	if n.secret && (n.op == opKeyed || n.op == opStream && n.stream.hash != 0) {
		*n = node{typ: n.typ, name: n.name, literal: []byte("constant")}
	}
	n.secret = n.op == opVariable && n.leaf.Name == nameSecret
	for _, arg := range n.args {
		n.secret = n.secret || arg.secret
	}
}

// unreliable has a value for each variable.
type unreliable struct{}

func (unreliable) Value(v *Variable) ([]byte, bool) {
	switch v.Kind {
	case Time:
		return []byte("20261201"), true
	case Header:
		return nil, false
	default:
		return []byte(`{"a":"b&c=d"}`), true
	}
}

// checkBlind checks that two secrets make no difference to an expression, except through digests,
// MACs, and derivations.
func checkBlind(t *testing.T, source string) {
	t.Helper()
	p, violation := Compile(source, Scope{Secret: true, Random: true, Values: []string{"named"}})
	if violation != "" {
		return
	}
	blind(p.root)
	p = finished(p.root)
	b, err := p.Bind(unreliable{})
	if err != nil {
		return
	}
	var outputs [2]bytes.Buffer
	for i, secret := range []string{"the first secret of two", "another secret, as long"} {
		if err := b.Write(&outputs[i], []byte(secret)); err != nil {
			return
		}
	}
	if !bytes.Equal(outputs[0].Bytes(), outputs[1].Bytes()) {
		t.Errorf("%s reveals the secret", source)
	}
}

// A writer writes expressions that are mostly well-typed, always the same ones: its state is that of
// SplitMix64.
type writer struct{ state uint64 }

// IntN returns a number below n.
func (w *writer) IntN(n int) int {
	w.state += 0x9e3779b97f4a7c15
	z := w.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return int((z ^ z>>31) % uint64(n))
}

func (w *writer) of(t Type, depth int) string {
	switch {
	case t == number:
		return []string{"0", "1", "-1", "16"}[w.IntN(4)]
	case depth == 0 && t == Secret:
		return "secret"
	case depth == 0 && t == Bytes:
		return "body"
	case depth == 0 && t == List:
		return "['a', id]"
	case depth == 0 && t == Map:
		return "form(query)"
	case depth == 0:
		return []string{"'x'", "id", "named", "path"}[w.IntN(4)]
	}
	if w.IntN(4) == 0 && t != List && t != Map {
		return "(" + w.of(t, depth-1) + " + " + w.of([]Type{String, Bytes, t}[w.IntN(3)], depth-1) + ")"
	}
	names := functionNames()
	for range 64 {
		name := names[w.IntN(len(names))]
		forms := table()[name].forms
		takes, gives, _ := strings.Cut(forms[w.IntN(len(forms))], ">")
		if gives != "t" && kinds(gives[0])[0] != t {
			continue
		}
		var args []string
		for i := range len(takes) {
			of := kinds(takes[i])
			arg := w.of(of[w.IntN(len(of))], depth-1)
			if takes[i] == 'c' {
				arg = []string{"'$.a'", "'a'", "'20060102'", "'x-date'"}[w.IntN(4)]
			}
			args = append(args, arg)
		}
		return name + "(" + strings.Join(args, ", ") + ")"
	}
	return w.of(t, 0)
}

func TestRandomExpressionsRevealNoSecret(t *testing.T) {
	t.Parallel()
	rounds, compiled := 20_000, 0
	if testing.Short() {
		rounds = 2_000
	}
	w := &writer{1}
	for range rounds {
		source := w.of([]Type{String, Bytes}[w.IntN(2)], 1+w.IntN(4))
		if _, violation := Compile(source, Scope{Secret: true, Random: true, Values: []string{"named"}}); violation == "" && strings.Contains(source, nameSecret) {
			compiled++
		}
		checkBlind(t, source)
	}
	if compiled < rounds/100 {
		t.Errorf("only %d of %d expressions compiled with the secret", compiled, rounds)
	}
}

func FuzzCompile(f *testing.F) {
	for _, source := range []string{
		`hex(hmac_sha256(secret, body))`, `sha256(secret + id)`, `join(sorted(['a', path]), ',')`, `first(json(body, '$.a'), '')`, `slice(hex(hmac_sha1(secret, id)), 0, 8)`,
		`base64(hmac_sha256(derive_3des(secret, id), body))`, `time('2006-01-02', '+07:00')`, `canonical_json(body)`, `[secret][0]`, `{"a": secret}.a`, `secret == 'a'`,
		`"\u00e9" + r'\n' + b'\xff'`, "a.b(c)[d]{e: f}", `x ? y : z`, `has(a.b)`, `-1`, `!a`, "'''a\nb'''",
	} {
		f.Add(source)
	}
	w := &writer{2}
	for range 64 {
		f.Add(w.of(String, 3))
	}
	f.Fuzz(func(t *testing.T, source string) {
		checkBlind(t, source)
		Literals(source)
	})
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"${body}", "${json:$.a|sha256|hex}.${secret}", "$${id}", "${", "${a|b}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, violation := Template(text)
		if violation != "" {
			return
		}
		b, err := p.Bind(unreliable{})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := b.Write(&out, []byte("secret")); err != nil {
			t.Errorf("Write(%s) = %v", text, err)
		}
		if out.Len() > b.size+len("secret")*64 {
			t.Errorf("%s has %d bytes, expected at most %d", text, out.Len(), b.size)
		}
	})
}
