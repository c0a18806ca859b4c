package expression

import (
	"io"
)

// An op is what a node does.
type op int

const (
	opLiteral op = iota
	opVariable
	opConcat
	// opStream passes its argument through a writer.
	opStream
	// opKeyed computes a MAC or a derivation of its second argument under its first.
	opKeyed
	// opList lists the values of its arguments.
	opList
	// opFails is evaluated as a whole, and may fail.
	opFails
)

// A node is a part of a program.
type node struct {
	op  op
	typ Type
	// name is the name of the function.
	name string
	args []*node
	// secret says that the value depends on the secret.
	secret bool

	literal  []byte
	leaf     Variable
	variable int

	stream stream
	keyed  keyed // zero unless the op is opKeyed
	// fails computes the value of opFails, and slot is its place in a Bound.
	fails func(c *call) (value, error)
	slot  int
	// grows is the maximum growth of the length, for opFails; 0 means none.
	grows int

	// number is the value of a literal, and at is its position in the source.
	number int64
	at     position
}

// A value is the result of a node that is evaluated as a whole.
type value struct {
	text  []byte
	list  [][]byte
	pairs []pair
}

// A pair is an entry of a map.
type pair struct{ name, value []byte }

// A call is the evaluation of one node.
type call struct {
	*node
	bound *Bound
}

// text returns the value of an argument that is a string, bytes, or a secret.
func (c *call) text(i int) ([]byte, error) { return c.bound.text(c.args[i]) }

// A Bound is a program with the values of one message. It is not safe for concurrent use.
type Bound struct {
	*Program
	values [][]byte
	room   [4][]byte // of the values of most messages
	slots  []value
	// secret is the key while a result is written, or nil.
	secret []byte
	// hide is what to write in place of the secret, while a result is shown.
	hide string
	// size is the maximum length of the result, without the secret.
	size int
}

// A Source has the values of a message.
type Source interface {
	// Value returns the value of a variable, or false if the message has none that is usable.
	Value(v *Variable) (value []byte, ok bool)
}

// Bind takes the values of a message, which must not change while the result is in use. It fails
// with a [*ValueError] or with [ErrTooLong].
func (p *Program) Bind(from Source) (*Bound, error) {
	b := &Bound{Program: p}
	if b.values = b.room[:min(len(p.variables), len(b.room))]; len(p.variables) > len(b.room) {
		b.values = make([][]byte, len(p.variables))
	}
	for i := range p.variables {
		v := &p.variables[i]
		if v.Kind == Plain && v.Name == nameSecret {
			continue
		}
		value, ok := from.Value(v)
		switch {
		case ok:
			b.values[i] = value
		case p.absent[i]:
			b.values[i] = nil
		default:
			return nil, &ValueError{Variable: *v}
		}
		if ok && value == nil {
			b.values[i] = []byte{}
		}
	}
	size, work := p.root.cost(b)
	if b.size = size; work > maxWork {
		return nil, ErrTooLong
	}
	if len(p.strict) > 0 {
		b.slots = make([]value, len(p.strict))
	}
	for i, n := range p.strict {
		v, err := n.fails(&call{n, b})
		if err != nil && !p.tolerated(n) {
			return nil, err
		}
		b.slots[i] = v
	}
	return b, nil
}

// tolerated reports whether a failed node is the first argument of `first`, which then takes the
// second one.
func (p *Program) tolerated(failed *node) bool {
	return p.root.any(func(n *node) bool {
		return n.name == nameFirst && n.args[0].any(func(below *node) bool { return below == failed })
	})
}

// cost returns the maximum length of a node's value, and the bytes that it takes to compute it.
func (n *node) cost(b *Bound) (size, work int) {
	switch n.op {
	case opLiteral:
		return len(n.literal), 0
	case opVariable:
		size = len(b.values[n.variable])
		return size, size
	}
	for _, arg := range n.args {
		s, w := arg.cost(b)
		size, work = size+s, work+w
	}
	switch n.op {
	case opStream:
		size = n.stream.length(size)
		return size, work + size
	case opKeyed:
		return maxDigest, work + size
	case opFails:
		size *= max(1, n.grows)
		return size, work + size
	}
	return size, work
}

// Alias returns the value of a program that is a single variable, without a copy.
func (b *Bound) Alias() (value []byte, ok bool) {
	if b.root.op != opVariable || b.root.secret {
		return nil, false
	}
	return b.values[b.root.variable], true
}

// Write writes the result into a hash or a buffer, which do not fail. The secret may be nil if the
// program does not use it. It fails with a [*ValueError] if a value that depends on the secret is
// not usable.
func (b *Bound) Write(w io.Writer, secret []byte) error {
	b.secret = secret
	err := b.write(w, b.root)
	b.secret = nil
	return err
}

// Text returns the result, in new memory. It fails like Write.
func (b *Bound) Text(secret []byte) ([]byte, error) {
	text := make(buffer, 0, b.size)
	if err := b.Write(&text, secret); err != nil {
		return nil, err
	}
	return text, nil
}

// Show writes the result for people: hidden in place of the secret and of all that depends on it.
// If the whole result depends on it, Show writes what the MAC or digest that computes it is of.
func (b *Bound) Show(w io.Writer, hidden string) {
	b.hide = hidden
	b.show(w, b.root)
	b.hide = ""
}

func (b *Bound) show(w io.Writer, n *node) {
	switch {
	case !n.secret:
		_ = b.write(w, n)
	case n.op == opConcat:
		for _, arg := range n.args {
			if arg.secret && arg.op != opConcat {
				_, _ = io.WriteString(w, b.hide)
			} else {
				b.show(w, arg)
			}
		}
	case n.op == opKeyed:
		b.show(w, n.args[1])
	case len(n.args) > 0:
		b.show(w, n.args[0])
	default:
		_, _ = io.WriteString(w, b.hide)
	}
}

// write writes the value of a node that is a string, bytes, or a secret.
func (b *Bound) write(w io.Writer, n *node) error {
	switch n.op {
	case opLiteral:
		_, _ = w.Write(n.literal)
		return nil
	case opVariable:
		if n.secret {
			_, _ = w.Write(b.secret)
		} else {
			_, _ = w.Write(b.values[n.variable])
		}
		return nil
	case opConcat:
		for _, arg := range n.args {
			if err := b.write(w, arg); err != nil {
				return err
			}
		}
		return nil
	case opStream:
		stage := n.stream.open(w)
		if err := b.write(stage, n.args[0]); err != nil {
			return err
		}
		return stage.Close()
	case opKeyed:
		return b.writeKeyed(w, n)
	default:
		v, err := b.value(n)
		_, _ = w.Write(v.text)
		return err
	}
}

// value returns the value of a node that is evaluated as a whole.
func (b *Bound) value(n *node) (value, error) {
	switch {
	case n.op == opList:
		list := make([][]byte, len(n.args))
		for i, arg := range n.args {
			text, err := b.text(arg)
			if err != nil {
				return value{}, err
			}
			list[i] = text
		}
		return value{list: list}, nil
	case n.op == opFails && n.secret:
		return n.fails(&call{n, b})
	default:
		return b.slots[n.slot], nil
	}
}

// text returns the value of a node that is a string, bytes, or a secret. It may alias the message.
func (b *Bound) text(n *node) ([]byte, error) {
	switch {
	case n.op == opLiteral:
		return n.literal, nil
	case n.op == opVariable && n.secret:
		return b.secret, nil
	case n.op == opVariable:
		return b.values[n.variable], nil
	case n.op == opFails:
		v, err := b.value(n)
		return v.text, err
	}
	size, _ := n.cost(b)
	text := make(buffer, 0, size)
	err := b.write(&text, n)
	return text, err
}

// A buffer collects what is written.
type buffer []byte

// Write appends.
func (b *buffer) Write(text []byte) (int, error) {
	*b = append(*b, text...)
	return len(text), nil
}
