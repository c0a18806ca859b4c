package payload

import (
	"bytes"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload/compile"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// ReasonIssueRefused is the reason for an issued value that cannot become a version of its secret.
const ReasonIssueRefused fault.Reason = "ISSUE_REFUSED"

const (
	// maxIssued is the maximum length of an issued value in bytes.
	maxIssued = 4 << 10
	// placeholder replaces an issued value in the body that a sender receives.
	placeholder = `"issued"`
)

// An Issuing takes the values that a partner issues from the bodies of responses. It is immutable and safe
// for concurrent use.
type Issuing struct {
	secrets []string
	set     *jsonbytes.Set
}

// newIssuing returns nil if the partner issues nothing.
func newIssuing(issued []compile.Issued) *Issuing {
	if len(issued) == 0 {
		return nil
	}
	n := new(Issuing)
	var paths []jsonbytes.Path
	for _, value := range issued {
		n.secrets, paths = append(n.secrets, value.Secret), append(paths, value.Path)
	}
	n.set = jsonbytes.NewSet(paths...)
	return n
}

// Issuing returns what takes the issued values of responses, or nil if the partner issues nothing. The
// configuration then only encrypts requests and decrypts responses: with any other message, a sender could
// make a response, or read one.
func (c *Config) Issuing() *Issuing { return c.issuing }

// An IssuedValue is a value that a partner issued.
type IssuedValue struct {
	// Secret is the resource name of the secret whose next version has the value.
	Secret string
	Value  sensitive.Bytes
}

// Take returns the issued values of a decrypted body, and a body with `issued` in their places. Without
// values, that is the body itself. The caller zeroes the values, and the body that it passed.
//
// It fails with ISSUE_REFUSED if a value is not a string of 1 byte to 4 KiB, and if it is unclear whether
// the body has one, because it is not JSON or has a duplicate member on the way to it.
func (n *Issuing) Take(body []byte) (values []IssuedValue, rest []byte, err error) {
	spans, _, err := n.set.Locate(body, len(n.secrets))
	if err != nil {
		return nil, nil, notIssued("the body is not JSON, or has a duplicate member on the path of an issued value")
	}
	done := 0
	for _, span := range spans {
		raw := body[span.Start:span.End]
		text, ok := jsonbytes.Text(raw)
		if ok = ok && raw[0] == '"' && len(text) > 0 && len(text) <= maxIssued; ok {
			values = append(values, IssuedValue{n.secrets[span.Path], sensitive.New(bytes.Clone(text))})
		}
		if len(text) > 0 && !within(text, raw) {
			clear(text)
		}
		if !ok {
			zeroIssued(values)
			return nil, nil, notIssued("an issued value is not a string of 1 byte to 4 KiB")
		}
		rest = append(append(rest, body[done:span.Start]...), placeholder...)
		done = span.End
	}
	if len(values) == 0 {
		return nil, body, nil
	}
	return values, append(rest, body[done:]...), nil
}

// within reports whether a non-empty text shares the memory of raw.
func within(text, raw []byte) bool {
	return len(raw) > 1 && &text[0] == &raw[1]
}

func zeroIssued(values []IssuedValue) {
	for _, v := range values {
		v.Value.Zero()
	}
}

func notIssued(message string) *fault.Error {
	return fault.New(fault.FailedPrecondition, ReasonIssueRefused, message)
}
