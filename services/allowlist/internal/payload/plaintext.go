package payload

import (
	"bytes"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// # Plaintexts of JSON
//
// If messages are not authenticated, a message that was changed, or encrypted under a different
// IV, still decrypts, with some bytes garbled. If the plaintext must be JSON, this is noticed,
// because most garbled plaintexts do not parse. Such a message fails like one with wrong padding,
// with the same error at the same stage, and plaintexts with wrong padding are parsed, too. The
// check therefore reveals no more to an attacker than the padding does.

// IsJSON reports whether a content type denotes JSON in UTF-8: application/json, or a type with
// the suffix +json.
func IsJSON(contentType string) bool {
	media, parameters, _ := strings.Cut(contentType, ";")
	const suffix = "+json"
	media = strings.TrimSpace(media)
	if !strings.EqualFold(media, "application/json") &&
		(len(media) <= len(suffix) || !strings.EqualFold(media[len(media)-len(suffix):], suffix)) {
		return false
	}
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(name, "charset") && !strings.EqualFold(strings.Trim(value, `"`), "utf-8") {
			return false
		}
	}
	return true
}

// validJSON reports whether a plaintext is JSON, optionally after a byte order mark.
func validJSON(plaintext []byte) bool {
	return jsonbytes.Valid(bytes.TrimPrefix(plaintext, []byte("\xef\xbb\xbf")))
}

// A Warning describes a weakness that a configuration may have for good reasons.
type Warning struct {
	// Field is the path of the weak field, starting at `encryption`.
	Field string
	// Description says in sentences what can happen and what to do.
	Description string
}

// unnoticed is the warning about messages whose changes go unnoticed.
const unnoticed = "Nothing authenticates these messages: a message that is changed in transit, or encrypted under another IV, may decrypt " +
	"to garbled bytes. Use an authenticated cipher such as AES-GCM, or sign the messages. If the plaintext is JSON, set the " +
	"content_type of the endpoint to application/json: then most garbled messages are refused."

// Warnings returns the weaknesses to know about before the configuration is used. The parameter
// json says that the bodies are JSON.
func (c *Config) Warnings(json bool) []Warning {
	var all []Warning
	request, response := c.compiled.Request, c.compiled.Response
	mirrored := c.compiled.Proto.GetResponse() == nil // without the signing
	if request.Bare() && !request.Parsed(json) && (mirrored || !request.Signed()) {
		all = append(all, Warning{describe.Root + ".request.cipher", unnoticed})
	}
	if !mirrored && response.Bare() && !response.Parsed(json) && !response.Signed() {
		all = append(all, Warning{describe.Root + ".response.cipher", unnoticed})
	}
	return all
}
