package payload

import (
	"bytes"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// # Plaintexts of JSON
//
// Where nothing authenticates a message, one that was changed, or encrypted under another IV
// than ours, opens all the same, with some bytes garbled. If the plaintext has to be JSON this
// shows: most garbled texts do not parse. Such a message fails as one whose padding is wrong
// does, with the same answer at the same stage, and a wrong padding is looked at in the same way:
// so the look tells an attacker no more than the padding does.

// IsJSON reports whether a content type is that of JSON in UTF-8: application/json, or one with
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

// validJSON reports whether a plaintext is JSON, maybe behind a byte order mark.
func validJSON(plaintext []byte) bool {
	return jsonbytes.Valid(bytes.TrimPrefix(plaintext, []byte("\xef\xbb\xbf")))
}

// A Warning tells of a weakness that a configuration may have for good reasons.
type Warning struct {
	// Field is the path of what is weak, from `encryption` on.
	Field string
	// Description is what may happen and what to do, as sentences.
	Description string
}

// unnoticed is the warning of messages whose changes nothing shows.
const unnoticed = "Nothing authenticates these messages: one that is changed on its way, or encrypted under another IV, may open " +
	"with garbled bytes. Use an authenticated cipher such as AES-GCM, or sign what is sent. If the plaintext is JSON, set the " +
	"content_type of the endpoint to application/json: then most garbled messages are refused."

// Warnings returns what to know of the configuration before it is in use. JSON says that the
// bodies are JSON.
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
