package expression

import (
	"bytes"
	"crypto"
	"slices"
	"strings"
)

// checkSecret returns the violation in the use of the secret in an expression. The types ensure
// that only digests, MACs, and derivations take the secret; this function ensures that what they
// compute is not a secret that another part of the expression uses, or a value without a message.
func checkSecret(root *node) string {
	violation := ""
	var sent, derived []*node
	root.each(func(n *node) {
		switch {
		case violation != "":
		case n.op == opStream && n.stream.hash != 0 && n.args[0].typ == Secret && !varies(n.args[0]):
			violation = "must have a value of the message in a digest, in addition to the secret, at " + n.at.String()
		case n.name == "slice" && n.secret && truncates(n.args[1].number, n.args[2].number):
			violation = "must keep at least 16 characters or bytes of a MAC or a digest, at " + n.at.String()
		case n.keyed.sorts:
			violation = checkSorted(n)
			sent = append(sent, n)
		case n.op == opKeyed && n.keyed.derives:
			derived = append(derived, n)
		case n.op == opKeyed && !varies(n.args[1]):
			violation = "must have a value of the message in the second argument of " + n.name + ", at " + n.at.String()
		case n.op == opKeyed:
			sent = append(sent, n)
		}
	})
	for _, out := range sent {
		for _, inside := range derived {
			if violation == "" && out.keyed.hash == inside.keyed.hash && family(out.args[0]) == family(inside.args[0]) {
				violation = "must not send what it also derives under the same key: " + out.name + " and " + inside.name + ", at " + out.at.String()
			}
		}
	}
	return violation
}

// truncates reports whether the positions of a slice are too close to each other. If one counts from
// the end, the length is checked when a message is signed.
func truncates(from, to int64) bool { return (from < 0) == (to < 0) && to-from < minTruncated }

// each visits all nodes, arguments first.
func (n *node) each(visit func(*node)) {
	for _, arg := range n.args {
		arg.each(visit)
	}
	visit(n)
}

// varies reports whether a value depends on the message.
func varies(n *node) bool {
	return n.any(func(n *node) bool { return n.op == opVariable && n.leaf.Name != nameSecret })
}

// checkSorted returns the violation in the list of sorted_sha1. The place of the secret in the
// order tells how it compares to its neighbors, so the sender must not choose them: they are the
// time, random strings, and values of the body that was encrypted.
func checkSorted(n *node) string {
	if n.args[1].op != opVariable {
		return "must have secret itself as the second argument of sorted_sha1"
	}
	chosen := n.args[0].op != opList || slices.ContainsFunc(n.args[0].args, func(arg *node) bool {
		ofBody := (arg.name == "json" || arg.name == "between") && arg.args[0].op == opVariable && arg.args[0].leaf == Variable{Name: "body"}
		ofTime := arg.op == opVariable && strings.HasPrefix(arg.leaf.Name, "timestamp")
		ofUs := arg.op == opVariable && arg.leaf.Kind == Named
		return !ofBody && !ofTime && !ofUs
	})
	if chosen {
		return "must list only times, values, and json(body, …) or between(body, …) in sorted_sha1, which the sender does not choose"
	}
	return ""
}

// SortedNames returns the named values that sorted_sha1 orders. Each must be a nonce or a time.
func (p *Program) SortedNames() []string {
	var names []string
	p.root.each(func(n *node) {
		if !n.keyed.sorts {
			return
		}
		for _, arg := range n.args[0].args {
			if arg.op == opVariable && arg.leaf.Kind == Named {
				names = append(names, arg.leaf.Name)
			}
		}
	})
	return names
}

// family identifies the keys that could be equal: a key with its public parts removed, because
// zeros at the end of the key of an HMAC make no difference.
func family(n *node) string {
	if !n.secret {
		return ""
	}
	switch n.op {
	case opVariable:
		return "S"
	case opConcat:
		var all []string
		for _, arg := range n.args {
			if arg.secret {
				all = append(all, family(arg))
			}
		}
		return strings.Join(all, "+")
	default:
		return n.shape()
	}
}

// Chains returns the steps of the chains of the secret in an expression, each once and in order:
// the digests and MACs whose results are sent, with the derivations of their keys, and `*` for all
// public parts. A simple MAC or digest has the step of the scheme that computes the same.
func (p *Program) Chains() []string {
	var all []string
	var sent func(n *node)
	sent = func(n *node) {
		switch {
		case n.op == opKeyed && !n.keyed.derives && !n.keyed.sorts && n.args[0].op == opVariable && !n.args[1].secret:
			all = append(all, "HMAC-"+hashName(n.keyed.hash)+"(of=message)")
		case n.op == opStream && n.stream.hash != 0 && n.args[0].typ == Secret:
			all = append(all, "SECRET-DIGEST-"+hashName(n.stream.hash)+"("+n.args[0].shape()+")")
		case n.op == opKeyed:
			all = append(all, "COMPUTED("+n.shape()+")")
		default:
			for _, arg := range n.args {
				if arg.secret {
					sent(arg)
				}
			}
		}
	}
	sent(p.root)
	slices.Sort(all)
	return slices.Compact(all)
}

// hashName returns the name of a hash as it is written in chains.
func hashName(h crypto.Hash) string { return strings.ReplaceAll(h.String(), "-", "") }

// shape returns where a value uses the secret: `S` for the secret, and `*` for anything else before,
// between, and after.
func (n *node) shape() string {
	switch {
	case !n.secret:
		return "*"
	case n.op == opVariable:
		return "S"
	case n.op == opConcat:
		return shapeOf(n.args)
	}
	var args []string
	for _, arg := range n.args {
		args = append(args, arg.shape())
	}
	return n.name + "(" + strings.Join(args, ",") + ")"
}

// shapeOf returns the shape of a concatenation.
func shapeOf(args []*node) string {
	var shape strings.Builder
	public := false
	for _, arg := range args {
		if !arg.secret {
			public = true
			continue
		}
		if public {
			shape.WriteByte('*')
		}
		shape.WriteString(arg.shape())
		public = false
	}
	if public {
		shape.WriteByte('*')
	}
	return shape.String()
}

// DigestsSecret reports whether the program sends a digest, not a MAC, of a string that includes
// the secret.
func (p *Program) DigestsSecret() bool {
	return p.root.any(func(n *node) bool {
		return n.op == opStream && n.stream.hash != 0 && n.args[0].typ == Secret || n.keyed.sorts
	})
}

// Shape returns where a template uses the secret, with the functions on it: `S|hex*`.
func (p *Program) Shape() string {
	var shape bytes.Buffer
	public := false
	for _, term := range p.terms() {
		if !term.secret {
			public = true
			continue
		}
		if public {
			shape.WriteByte('*')
		}
		var functions []string
		for ; term.op == opStream; term = term.args[0] {
			functions = append(functions, term.name)
		}
		shape.WriteByte('S')
		for _, name := range slices.Backward(functions) {
			shape.WriteString("|" + name)
		}
		public = false
	}
	if public {
		shape.WriteByte('*')
	}
	return shape.String()
}

// terms returns the terms of a concatenation.
func (p *Program) terms() []*node {
	if p.root.op == opConcat {
		return p.root.args
	}
	return []*node{p.root}
}
