package signature

import (
	"crypto"
	"maps"
	"slices"

	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
)

// Strings are the compiled strings of a configuration.
type Strings struct {
	// Input is the string that is signed, or the signature itself if the scheme is [Computed]. It is
	// nil if there are claims, or if it is invalid.
	Input *expression.Program
	// Values are the named values, each after those that it depends on.
	Values []Value
	// Claims are the claims of a JWS that is sent with its payload, in the order of the names.
	Claims []Value
}

// A Value is a named string.
type Value struct {
	Name    string
	Program *expression.Program
	// single is the variable that is the whole program. If the value is computed, it has no name.
	single expression.Variable
}

func newValue(name string, p *expression.Program) Value {
	return Value{Name: name, Program: p, single: p.Single()}
}

// Carried reports whether verification reads the value from a message that has it: it is a time, a
// nonce, or a string of the call.
func (v Value) Carried() bool {
	return v.single.Kind == expression.Time || v.single.Kind == expression.Nonce || v.single.Kind == expression.Context
}

// time returns the layout of a value that is a time.
func (v Value) time() (expression.Layout, bool) {
	return v.single.Layout, v.single.Kind == expression.Time
}

// position returns the position of a value that is a time or the ID of the message, or -1.
func (v Value) position() int {
	if v.single.Kind != expression.Plain {
		return -1
	}
	return position(v.single.Name)
}

// ParseStrings compiles the strings of a configuration. If there are violations, it returns the strings
// that are valid.
func ParseStrings(c Config) (*Strings, []Violation) {
	t := new(Strings)
	violations := t.values(c)
	scope := expression.Scope{Constants: c.Constants, Values: slices.Sorted(maps.Keys(c.Values))}
	for _, name := range slices.Sorted(maps.Keys(c.Claims)) {
		p, violation := expression.Compile(c.Claims[name], scope)
		if violation == "" && p.Type() != expression.String {
			violation = mustBeString
		}
		if violation != "" {
			violations = append(violations, Violation{Field: "claims", Name: name, Text: violation})
			continue
		}
		t.Claims = append(t.Claims, newValue(name, p))
	}
	_, computed := c.Scheme.(Computed)
	var violation string
	switch {
	case len(c.Claims) > 0 && (c.Input != "" || c.InputExpression != ""):
		return t, append(violations, Violation{Field: "claims", Text: "must be empty if there is an input"})
	case len(c.Claims) > 0:
		return t, violations
	case c.Input != "" && c.InputExpression != "":
		return t, append(violations, Violation{Field: "input_expression", Text: "must be empty if input is set"})
	case c.InputExpression != "":
		scope.Secret = computed
		if t.Input, violation = expression.Compile(c.InputExpression, scope); violation != "" {
			violations = append(violations, Violation{Field: "input_expression", Text: violation})
		}
	case computed:
		violations = append(violations, Violation{Field: "input_expression", Text: "is required: it computes the signature"})
	default:
		if t.Input, violation = expression.Template(c.Input); violation != "" {
			violations = append(violations, Violation{Field: "input", Text: violation})
		}
	}
	return t, violations
}

const mustBeString = "must be a string; write bytes with hex or base64"

// values compiles the named values, each after those that it depends on.
func (t *Strings) values(c Config) []Violation {
	var violations []Violation
	names := slices.Sorted(maps.Keys(c.Values))
	scope := expression.Scope{Constants: c.Constants, Values: names, Random: true}
	left := make(map[string]*expression.Program, len(names))
	for _, name := range names {
		_, constant := c.Constants[name]
		p, violation := expression.Compile(c.Values[name], scope)
		switch {
		case constant || reserved(name):
			violation = "must not have the name of a constant or of another placeholder"
		case violation == "" && p.Type() != expression.String:
			violation = mustBeString
		}
		if violation != "" {
			violations = append(violations, Violation{Field: "values", Name: name, Text: violation})
			continue
		}
		left[name] = p
	}
	for name := range c.Constants {
		if reserved(name) {
			violations = append(violations, Violation{Field: "constants", Name: name, Text: "must not have the name of another placeholder"})
		}
	}
	for len(left) > 0 {
		ready := slices.DeleteFunc(slices.Sorted(maps.Keys(left)), func(name string) bool {
			return slices.ContainsFunc(left[name].Variables(), func(v expression.Variable) bool {
				return v.Kind == expression.Named && left[v.Name] != nil
			})
		})
		if len(ready) == 0 {
			name := slices.Min(slices.Collect(maps.Keys(left)))
			return append(violations, Violation{Field: "values", Name: name, Text: "must not depend on itself, not even through other values"})
		}
		for _, name := range ready {
			t.Values = append(t.Values, newValue(name, left[name]))
			delete(left, name)
		}
	}
	return violations
}

// reserved reports whether a name has a meaning of its own in templates or expressions.
func reserved(name string) bool {
	return slices.Contains([]string{"signature", "signatures", nameSecret}, name) || slices.Contains(messageNames(), name)
}

// Sent returns the name of the value that a claim has as it is: the time, the ID, or a named value that is
// carried. It is empty for a claim that is computed.
func (t *Strings) Sent(claim Value) string {
	named := func(v Value) bool { return v.Name == claim.single.Name && v.Carried() }
	if claim.position() >= 0 || claim.single.Kind == expression.Named && slices.ContainsFunc(t.Values, named) {
		return claim.single.Name
	}
	return ""
}

// all returns the programs of all strings.
func (t *Strings) all() []*expression.Program {
	var all []*expression.Program
	if t.Input != nil {
		all = append(all, t.Input)
	}
	for _, v := range slices.Concat(t.Values, t.Claims) {
		all = append(all, v.Program)
	}
	return all
}

// Wants returns what the strings take out of a message.
func (t *Strings) Wants() map[expression.Variable]*expression.Want {
	named := make(map[string]*expression.Program, len(t.Values))
	for _, v := range t.Values {
		named[v.Name] = v.Program
	}
	return expression.Wants(named, t.all()...)
}

// signedPrograms returns the programs of the strings that the signature covers.
func (t *Strings) signedPrograms() []*expression.Program {
	var all []*expression.Program
	if t.Input != nil {
		all = append(all, t.Input)
	}
	for _, claim := range t.Claims {
		all = append(all, claim.Program)
	}
	for i := 0; i < len(all); i++ {
		for _, v := range all[i].Variables() {
			if v.Kind != expression.Named {
				continue
			}
			at := slices.IndexFunc(t.Values, func(value Value) bool { return value.Name == v.Name })
			if at >= 0 && !slices.Contains(all, t.Values[at].Program) {
				all = append(all, t.Values[at].Program)
			}
		}
	}
	return all
}

// covers reports whether the signature covers a variable of the message.
func (t *Strings) covers(name string) bool {
	return slices.ContainsFunc(t.signedPrograms(), func(p *expression.Program) bool { return p.Has(name) })
}

// CoversBody reports whether the signature covers the whole body, or the whole plaintext of it.
func (t *Strings) CoversBody() bool { return t.covers("body") || t.covers(namePlaintext) }

// Covers reports whether the signature covers a named value.
func (t *Strings) Covers(name string) bool {
	return slices.ContainsFunc(t.signedPrograms(), func(p *expression.Program) bool {
		return slices.ContainsFunc(p.Variables(), func(v expression.Variable) bool { return v.Kind == expression.Named && v.Name == name })
	})
}

// has reports whether any string uses a variable of the message.
func (t *Strings) has(name string) bool {
	return slices.ContainsFunc(t.all(), func(p *expression.Program) bool { return p.Has(name) })
}

// WeakDigest reports whether the signature covers an MD5 or SHA-1 digest of a value for which an
// attacker could find another value with the same digest.
func (t *Strings) WeakDigest() bool {
	return slices.ContainsFunc(t.signedPrograms(), func(p *expression.Program) bool { return p.Hashes(crypto.MD5, crypto.SHA1) })
}
