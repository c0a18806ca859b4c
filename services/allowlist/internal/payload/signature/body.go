package signature

import (
	"errors"
	"net/url"
)

// ErrBody means that a body has no place for the strings that the signature adds to it: it is not a
// JSON object, or it has a member or a field of that name already.
var ErrBody = errors.New("the body has no place for the signature")

// placed holds the strings of a received message at the places that are not headers, in the order
// of [carriers].at.
type placed [placeCount][]string

// detach removes from a message the strings that the signature added to its query and its body.
func (s *Signer) detach(m *Message) (p placed, err error) {
	var ok bool
	if m.Query, p[inQuery], ok = cutPairs(m.Query, s.carriers.at[inQuery]); !ok {
		return p, invalid("The query lacks a parameter of the signature, or has it twice.")
	}
	m.Body, err = s.cut(m.Body, &p)
	return p, err
}

// cut removes from a body what the signature added to it.
func (s *Signer) cut(body []byte, p *placed) (rest []byte, err error) {
	fields, members := s.carriers.at[inForm], s.carriers.at[inMember]
	ok := true
	switch {
	case len(fields) > 0:
		var text string
		text, p[inForm], ok = cutPairs(string(body), fields)
		rest = []byte(text)
	case len(members) > 0:
		rest, p[inMember], ok = s.insertion.Remove(body)
	default:
		rest = body
	}
	if !ok {
		return nil, invalid("The body lacks a field or a member of the signature, or has it twice.")
	}
	return rest, nil
}

// Strip returns a received body without what the signature added to it. It fails with an
// [*InvalidError] if the body lacks it.
func (s *Signer) Strip(body []byte) ([]byte, error) {
	return s.cut(body, new(placed))
}

// attach adds the strings of the signature to a body. The result shares no memory with the body, if
// anything is added.
func (s *Signer) attach(body []byte, texts carried, signatures [][]byte) ([]byte, error) {
	if !s.ChangesBody() {
		return body, nil
	}
	fields, err := s.carriers.write(inForm, texts, signatures)
	if err != nil {
		return nil, err
	}
	if len(fields) > 0 {
		for _, name := range s.carriers.at[inForm] {
			if rest, _, _ := cutPairs(string(body), []string{name}); rest != string(body) {
				return nil, ErrBody
			}
		}
		out := append(make([]byte, 0, len(body)+512), body...)
		for _, f := range fields {
			if len(out) > 0 {
				out = append(out, '&')
			}
			out = append(append(append(out, url.QueryEscape(f.Name)...), '='), url.QueryEscape(f.Value)...)
		}
		return out, nil
	}
	members, err := s.carriers.write(inMember, texts, signatures)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(members))
	for i, m := range members {
		values[i] = []byte(m.Value)
	}
	out, _, err := s.insertion.Add(body, values)
	if err != nil {
		return nil, ErrBody
	}
	return out, nil
}
