package diagnosis

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// maxHeaders is the maximum number of tried forms of one header.
const maxHeaders = 8

// placeholders replaces the holes of headers with patterns for their possible values.
var placeholders = strings.NewReplacer(
	regexp.QuoteMeta("${signature}"), `[A-Za-z0-9+/=_.-]{16,}`,
	regexp.QuoteMeta("${signatures}"), `.{16,}`,
	regexp.QuoteMeta("${timestamp}"), `[0-9TZ:.+-]{9,35}`,
	regexp.QuoteMeta("${timestamp_ms}"), `[0-9TZ:.+-]{9,35}`,
	regexp.QuoteMeta("${timestamp_rfc3339}"), `[0-9TZ:.+-]{9,35}`,
	regexp.QuoteMeta("${id}"), `[!-~]{1,128}`,
	regexp.QuoteMeta("${*}"), `.*`,
)

// could reports whether a value could match the template of a header.
func could(template, value string) bool {
	pattern, err := regexp.Compile("^" + placeholders.Replace(regexp.QuoteMeta(template)) + "$")
	return err == nil && pattern.MatchString(value)
}

// namedHeader matches a name that may be configured.
var namedHeader = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// signedHeaders adds other headers of the message in place of a missing one, and other forms of
// the header that carries the signature.
func (c *collector) signedHeaders(sent map[string]string) {
	configured := c.profile.GetSigning().GetHeaders()
	taken := make(map[string]bool)
	for header := range configured {
		taken[strings.ToLower(header)] = true
	}
	for _, header := range slices.Sorted(maps.Keys(configured)) {
		text := configured[header]
		if !strings.Contains(text, "${") {
			continue
		}
		candidates := []string{header}
		if _, there := sent[strings.ToLower(header)]; !there {
			candidates = slices.DeleteFunc(slices.Sorted(maps.Keys(sent)), func(other string) bool {
				return taken[other] || !namedHeader.MatchString(other)
			})
		}
		c.headerForms(header, text, candidates, sent)
	}
}

// headerForms adds the possible forms of a header.
func (c *collector) headerForms(header, text string, candidates []string, sent map[string]string) {
	added := 0
	for _, other := range candidates {
		value := sent[strings.ToLower(other)]
		for _, form := range formsOf(text, value) {
			if added == maxHeaders || other == header && form == text || !could(form, value) {
				continue
			}
			added++
			c.signing("header "+header, "headers", header+": "+text, other+": "+form, func(s *allowlistv1.Signing) {
				delete(s.GetHeaders(), header)
				s.Headers[other] = form
			})
		}
	}
}

// labeled matches a signature after a label such as `sha256=` or `v1,`.
var labeled = regexp.MustCompile(`^([A-Za-z0-9_-]{1,16}[=,:]) ?[A-Za-z0-9+/=_.-]{16,}$`)

// formsOf returns the template of a header, and those that its value could match instead: the
// signature alone, or after another label.
func formsOf(text, value string) []string {
	const alone = "${signature}"
	forms := []string{text}
	if !strings.Contains(text, alone) || timePlaceholder.MatchString(text) || strings.Contains(text, "${id}") {
		return forms
	}
	if text != alone {
		forms = append(forms, alone)
	}
	if label := labeled.FindStringSubmatch(value); label != nil && label[1]+alone != text {
		forms = append(forms, label[1]+alone)
	}
	return forms
}
