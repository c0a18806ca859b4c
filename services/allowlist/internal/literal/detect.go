package literal

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/keyform"
)

// The patterns of secrets.
var (
	privateKey = regexp.MustCompile(`(?i)-----\s*BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1`)
	// The header of a JWS or JWE is a JSON object, which begins with `{"`.
	jwt    = regexp.MustCompile(`ey[IJ][A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+`)
	bearer = regexp.MustCompile(`(?i)(?:^|[^A-Za-z])bearer\s+([A-Za-z0-9+/=_.~-]{4,})`)
	// Other schemes are also ordinary words.
	schemes = regexp.MustCompile(`(?i)(?:^|[^A-Za-z])(?:token|api-?key)\s+([A-Za-z0-9+/=_.~-]{8,})`)
	basic   = regexp.MustCompile(`(?i)(?:^|[^A-Za-z])basic\s+([A-Za-z0-9+/=_-]{4,})`)
	public  = regexp.MustCompile(`-----BEGIN (?:[A-Z0-9 ]*PUBLIC KEY|CERTIFICATE|X509 CERTIFICATE)-----[^-]*-----END [A-Z0-9 ]+-----`)
	// A pair is `name=value`, `name: value`, or `"name":"value"` in a string.
	pair = regexp.MustCompile(`([A-Za-z][A-Za-z0-9_.-]{1,63})["']?\s*[=:]\s*["']?([^\s"'&;,]+)`)
	// An element is an XML element.
	element = regexp.MustCompile(`<([A-Za-z][A-Za-z0-9_.:-]{1,63})(?:\s[^>]*)?>([^<>]+)<`)
)

// deepest is the maximum nesting of JSON documents or percent-encodings that is examined.
const deepest = 3

// Text classifies a literal or a template with `${…}`. It also examines pairs of a name and a
// value, and the members of JSON.
func Text(text string) Kind { return textAt(text, 0) }

func textAt(text string, depth int) Kind {
	kind := worst(raw(text), credential(text, 4))
	if depth == deepest {
		return kind
	}
	if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		var document any
		if json.Unmarshal([]byte(trimmed), &document) == nil {
			return worst(kind, member("", document, depth+1))
		}
	}
	if kind == Material {
		kind = raw(withoutExempt(text))
	}
	kind = worst(kind, pairs(text))
	if decoded, err := url.PathUnescape(text); err == nil && decoded != text {
		kind = worst(kind, textAt(decoded, depth+1))
	}
	return kind
}

// Prose classifies prose, in which `bearer token` and `password: see below` are not secrets.
func Prose(text string) Kind { return worst(raw(text), credential(text, 16)) }

// raw classifies a string by its shape only.
func raw(text string) Kind {
	switch {
	case privateKey.MatchString(text):
		return PrivateKey
	case jwt.MatchString(text):
		return Credential
	}
	text = placeholder.ReplaceAllString(withoutPublic(text), " ")
	if material(text) || material(strings.NewReplacer("\r", "", "\n", "").Replace(text)) {
		return Material
	}
	return None
}

// credential finds values that follow `Bearer` and have at least that many characters, and values
// that follow `Basic` and contain a colon after decoding.
func credential(text string, least int) Kind {
	for _, found := range bearer.FindAllStringSubmatch(text, -1) {
		if len(found[1]) >= least && (least < 16 || strings.ContainsAny(found[1], "0123456789")) {
			return Credential
		}
	}
	for _, found := range schemes.FindAllStringSubmatch(text, -1) {
		if strings.ContainsAny(found[1], "0123456789") {
			return Credential
		}
	}
	for _, found := range basic.FindAllStringSubmatch(text, -1) {
		if strings.Contains(decoded(found[1]), ":") {
			return Credential
		}
	}
	return None
}

// pairs classifies the pairs of a name and a value in a string.
func pairs(text string) Kind {
	kind := None
	for _, found := range slices.Concat(pair.FindAllStringSubmatch(text, -1), element.FindAllStringSubmatch(text, -1)) {
		if class := classOf(found[1]); class.holds(found[2]) {
			kind = max(kind, class.kind())
		}
	}
	return kind
}

// withoutExempt removes the values of pairs that are thumbprints.
func withoutExempt(text string) string {
	for _, found := range pair.FindAllStringSubmatch(text, -1) {
		if exempt(found[1], found[2]) {
			text = strings.ReplaceAll(text, found[2], " ")
		}
	}
	return text
}

// member classifies a value of a JSON document and everything in it.
func member(name string, value any, depth int) Kind {
	kind := None
	switch value := value.(type) {
	case string:
		kind = parameterAt(name, value, depth)
	case float64:
		kind = classOf(name).kind()
	case []any:
		for _, element := range value {
			kind = max(kind, member(name, element, depth))
		}
	case map[string]any:
		for name, inner := range value {
			kind = worst(kind, raw(name), member(name, inner, depth))
		}
	}
	return kind
}

// withoutPublic removes public keys and certificates, which are not secrets. A block that cannot
// be parsed stays: its label may be false.
func withoutPublic(text string) string {
	return public.ReplaceAllStringFunc(text, func(armored string) string {
		// Templates write line ends as `\n`.
		block, _ := pem.Decode([]byte(strings.ReplaceAll(armored, `\n`, "\n")))
		if block != nil && isPublic(block.Bytes) {
			return " "
		}
		return armored
	})
}

// isPublic reports whether DER encodes a public key or a certificate of any kind.
func isPublic(der []byte) bool {
	switch keyform.Look(der).Kind {
	case keyform.KindPublicKey, keyform.KindCertificate:
		return true
	default:
		return false
	}
}

// decoded decodes base64 or base64url, padded or not. The result is empty if the string is
// neither.
func decoded(text string) string {
	text = strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := encoding.DecodeString(text); err == nil {
			return string(b)
		}
	}
	return ""
}
