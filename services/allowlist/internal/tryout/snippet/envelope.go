package snippet

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// envelope finds the texts of the holes in a text and in the headers. Lengths are those
// of the texts that are always as long; unset is the template where there is none.
func (p *program) envelope(source, unset string, lengths map[string]int) error {
	e, before := p.Profile.GetEnvelope(), len(*p.lines)
	p.say("What stands in the envelope.")
	said := len(*p.lines)
	defer func() {
		if len(*p.lines) == said {
			*p.lines = (*p.lines)[:before] // nothing but what is there already
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(e.GetHeaders())) {
		p.template(e.GetHeaders()[name], p.header(name), lengths)
	}
	switch body := e.GetBody().(type) {
	case *allowlistv1.Envelope_Json:
		return p.document(body.Json, source, lengths)
	case *allowlistv1.Envelope_Text:
		p.template(body.Text, source, lengths)
	default:
		p.template(unset, source, lengths)
	}
	return nil
}

// document finds the texts of the holes in the strings of a JSON document.
func (p *program) document(template, source string, lengths map[string]int) error {
	if strings.Contains(template, `\u0024`) {
		return errBeyond // a brace behind it would be taken for a hole
	}
	d := json.NewDecoder(strings.NewReader(template))
	d.UseNumber()
	return p.node(d, source, nil, lengths)
}

// node goes through the next value of a template.
func (p *program) node(d *json.Decoder, source string, path []string, lengths map[string]int) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("read template: %w", err)
	}
	switch token := token.(type) {
	case string:
		from := call("unquoted", source)
		if len(path) > 0 {
			from = call("pick", append([]string{source}, p.quoteAll(path)...)...)
		}
		p.template(token, from, lengths)
		return nil
	case json.Delim:
		for i := 0; d.More(); i++ {
			step := fmt.Sprint(i)
			if token == '{' {
				name, err := d.Token()
				if err != nil {
					return fmt.Errorf("read template: %w", err)
				}
				step = fmt.Sprint(name)
			}
			if err := p.node(d, source, append(slices.Clone(path), step), lengths); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	return nil
}

// template finds the texts of the holes of a template in a text.
func (p *program) template(template, text string, lengths map[string]int) {
	literals, names := split(template)
	switch {
	case len(names) == 0:
		return
	case len(names) == 1 && literals[0] == "" && literals[1] == "":
		switch name := names[0]; {
		case name == "*" || !p.needed(name):
		case !strings.ContainsAny(text, "(["):
			p.texts[name] = text // a variable already
		default:
			p.texts[name] = p.letText(variable(name)+"Text", text)
		}
		return
	}
	var pattern strings.Builder
	var found []string
	pattern.WriteString("^" + regexp.QuoteMeta(literals[0]))
	for i, name := range names {
		group := ".*?"
		if n, fixed := lengths[name]; fixed && n >= 0 {
			group = fmt.Sprintf(".{%d}", n)
		}
		if name == "*" || !p.needed(name) {
			pattern.WriteString(group)
		} else {
			pattern.WriteString("(" + group + ")")
			p.texts[name] = variable(name) + "Text"
			found = append(found, p.texts[name])
		}
		pattern.WriteString(regexp.QuoteMeta(literals[i+1]))
	}
	pattern.WriteString("$")
	if len(found) > 0 {
		p.line(p.match(found, pattern.String(), text)...)
	}
}

// split splits a template at its placeholders. There is one more literal than names.
func split(template string) (literals, names []string) {
	for {
		literal, rest, found := strings.Cut(template, "${")
		literals = append(literals, literal)
		if !found {
			return literals, names
		}
		name, rest, _ := strings.Cut(rest, "}")
		names = append(names, name)
		template = rest
	}
}

// variable returns a name as programs write it: `session_key` is sessionKey.
func variable(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		if i > 0 && word != "" {
			words[i] = string(unicode.ToUpper(rune(word[0]))) + word[1:]
		}
	}
	return strings.Join(words, "")
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
