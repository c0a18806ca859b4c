package snippet

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

const languageNode = "node"

// node writes JavaScript for Node.js.
type node struct{}

func (node) language() string { return languageNode }

// quote writes a text between single quotes.
func (node) quote(text string) string {
	return "'" + escaped(text, '\'') + "'"
}

func (node) pem(text string) string { return "`" + text + "`" }

func (node) constant(name string) string { return name }

func (n node) header(name string) string { return "headers[" + n.quote(name) + "]" }

func (node) bytes(name, value string) string { return "const " + name + " = " + value + ";" }

func (n node) text(name, value string) string { return n.bytes(name, value) }

func (node) variable(name, value string) string { return "let " + name + " = " + value + ";" }

func (node) match(names []string, pattern, text string) []string {
	pattern = strings.NewReplacer("/", `\/`, "\n", `\n`, "\r", `\r`).Replace(pattern)
	return []string{fmt.Sprintf("const [, %s] = /%s/s.exec(%s);", strings.Join(names, ", "), pattern, text)}
}

func (n node) each(name, document string, paths [][]string, lines []string) []string {
	loops := []string{}
	for _, path := range paths {
		loops = append(loops, "  ["+strings.Join(quoteAll(n, path), ", ")+"],")
	}
	all := append(append([]string{"for (const path of ["}, loops...), "]) {", "  for (const "+name+" of find("+document+", ...path)) {")
	for _, line := range lines {
		all = append(all, "    "+line)
	}
	return append(all, "  }", "}")
}

func (node) passOver(name string) string { return "if (" + name + " === '') continue;" }

func (node) substitute(text, old, by string) string {
	return fmt.Sprintf("%s.replaceAll(%s, () => %s)", text, old, by)
}

func (n node) check(condition, what string) string {
	return fmt.Sprintf("if (!%s) throw new Error(%s);", condition, n.quote(what))
}

func (n node) first(text, separator string) string {
	return text + ".split(" + n.quote(separator) + ")[0]"
}

func (n node) decode(e encoding, text string) string {
	return "Buffer.from(" + text + ", " + n.quote(nodeEncoding(e)) + ")"
}

func (n node) encode(e encoding, bytes string) string {
	text := bytes + ".toString(" + n.quote(nodeEncoding(e)) + ")"
	if e == inHexUpper {
		text += ".toUpperCase()"
	}
	return text
}

func nodeEncoding(e encoding) string {
	switch e {
	case inBase64URL:
		return "base64url"
	case inHex, inHexUpper:
		return "hex"
	case inUTF8:
		return "utf8"
	case inLatin1:
		return "latin1"
	default:
		return "base64"
	}
}

func (node) lower(text string) string { return text + ".toLowerCase()" }
func (node) upper(text string) string { return text + ".toUpperCase()" }

func (node) slice(bytes, from, to string) string {
	if to == "" {
		return fmt.Sprintf("%s.subarray(%s)", bytes, from)
	}
	return fmt.Sprintf("%s.subarray(%s, %s)", bytes, from, to)
}

func (node) concat(bytes []string) string {
	if len(bytes) == 1 {
		return bytes[0]
	}
	return "Buffer.concat([" + strings.Join(bytes, ", ") + "])"
}

func (node) zeros(n int) string { return fmt.Sprintf("Buffer.alloc(%d)", n) }

func (n node) hash(h allowlistv1.Hash) string {
	return n.quote(strings.ToLower(strings.TrimPrefix(h.String(), "HASH_")))
}

// source puts a program together.
func (n node) source(p *program) string {
	var s strings.Builder
	s.WriteString("// Opens a message that was made with throw-away keys, and prints the plaintext.\n")
	s.WriteString("// Node.js 20 or newer, without packages: node open.js\n'use strict';\n\nconst crypto = require('node:crypto');\n")
	for _, c := range p.constants {
		fmt.Fprintf(&s, "\n// %s\nconst %s = %s;\n", c.comment, c.name, c.value)
	}
	if len(p.Headers) > 0 {
		s.WriteString("\n// The headers that came with it.\nconst headers = {\n")
		for _, h := range p.Headers {
			fmt.Fprintf(&s, "  %s: %s,\n", n.quote(h.Name), n.quote(h.Value))
		}
		s.WriteString("};\n")
	}
	if p.opens != nil {
		s.WriteString("\n// Opens a protected value.\nfunction open(text) {\n" + indented("  ", p.opens) + "}\n")
	}
	main := indented("", append(p.main, "process.stdout.write(plaintext);"))
	for _, function := range functions(read("open.js"), p.code()) {
		s.WriteString("\n" + function + "\n")
	}
	return s.String() + "\n" + main
}
