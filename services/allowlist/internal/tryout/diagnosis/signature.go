package diagnosis

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// anyTime is the tolerance of a variant that accepts any time of a real clock: ten years. A time
// in another unit is further away.
const anyTime = 10 * 365 * 24 * time.Hour

// toleranceField is the end of the field that such a variant changes.
const toleranceField = ".signing.tolerance"

// signatureVariants returns the variants of a profile whose signature does not verify: the
// profile itself, then those with one change to its signing, the likelier ones first, then those
// with two. Headers are the headers of the message by lowercase name.
func signatureVariants(path string, profile *allowlistv1.Profile, body []byte, headers map[string]string) iter.Seq[variant] {
	base := proto.CloneOf(profile)
	s := base.GetSigning()
	template := s.GetInputExpression() == "" && len(s.GetClaims()) == 0
	if s.GetInput() == "" && template {
		s.Input = bodyInput
	}
	c := &collector{path: path, profile: base, described: describe.Of(path, base)}
	c.signedHeaders(headers)
	c.signingKeys()
	c.signingEncoding()
	if !template {
		c.times()
		c.hashes()
		return combined(base, body, c.all)
	}
	c.lineEnds()
	if !encrypts(base) || !strings.Contains(s.GetInput(), "${plaintext") && !strings.Contains(s.GetInput(), "${json:") {
		c.forms(body)
	}
	c.times()
	c.hashes()
	c.inputs()
	return combined(base, body, c.all)
}

const bodyInput = "${body}"

// encrypts reports whether the sent body differs from the plaintext.
func encrypts(p *allowlistv1.Profile) bool {
	return p.GetKind() != nil || p.GetEnvelope() != nil || p.GetNestedJws() != nil
}

// signing adds a change of one field of the signing.
func (c *collector) signing(group, field, configured, works string, apply func(*allowlistv1.Signing)) {
	c.add(group, "signing."+field, configured, works, func(p *allowlistv1.Profile) { apply(p.GetSigning()) })
}

// signingKeys adds other decodings of shared keys.
func (c *collector) signingKeys() {
	s := c.profile.GetSigning()
	if !c.described.Signing.Shared || len(s.GetKeys()) == 0 {
		return
	}
	const trimmed = "PEM, which is RAW without white space around it"
	configured := decodingName(s.GetKeys()[0].GetDecoding())
	for _, d := range []allowlistv1.Decoding{
		allowlistv1.Decoding_DECODING_HEX, allowlistv1.Decoding_DECODING_BASE64, allowlistv1.Decoding_DECODING_RAW, allowlistv1.Decoding_DECODING_WHSEC,
		allowlistv1.Decoding_DECODING_BASE64URL, allowlistv1.Decoding_DECODING_PEM,
	} {
		works := decodingName(d)
		if works == configured {
			continue
		}
		if d == allowlistv1.Decoding_DECODING_PEM {
			works = trimmed
		}
		c.signing("decoding", "keys.decoding", configured, works, func(s *allowlistv1.Signing) {
			for _, ref := range s.GetKeys() {
				ref.Decoding = d
			}
		})
	}
}

// signingEncoding adds the other encodings of the signature. Uppercase and padding do not
// matter.
func (c *collector) signingEncoding() {
	if c.profile.GetSigning().GetJws() != nil || c.profile.GetSigning().GetComputed() != nil {
		return
	}
	configured := cmp.Or(c.profile.GetSigning().GetEncoding(), allowlistv1.Encoding_ENCODING_HEX)
	for _, e := range []allowlistv1.Encoding{
		allowlistv1.Encoding_ENCODING_BASE64, allowlistv1.Encoding_ENCODING_HEX, allowlistv1.Encoding_ENCODING_BASE64URL,
	} {
		if !reads(configured, e) {
			c.signing("encoding", "encoding", encodingName(configured), encodingName(e), func(s *allowlistv1.Signing) { s.Encoding = e })
		}
	}
}

// timePlaceholder matches the time in a template.
var timePlaceholder = regexp.MustCompile(`\$\{(timestamp|timestamp_ms|timestamp_rfc3339)([|}])`)

// times adds the other units of the time, and any time.
func (c *collector) times() {
	s := c.profile.GetSigning()
	carried := timePlaceholder.FindStringSubmatch(strings.Join(slices.Sorted(maps.Values(s.GetHeaders())), "\n"))
	if carried == nil {
		return
	}
	for _, unit := range []string{"timestamp", "timestamp_ms", "timestamp_rfc3339"} {
		change := func(text string) string { return timePlaceholder.ReplaceAllString(text, "$${"+unit+"$2") }
		c.signing("time", "headers", "${"+carried[1]+"}", "${"+unit+"}", func(s *allowlistv1.Signing) {
			s.Input = change(s.GetInput())
			for name, text := range s.GetHeaders() {
				s.Headers[name] = change(text)
			}
		})
	}
	tolerance := 5 * time.Minute
	if s.GetTolerance() != nil {
		tolerance = s.GetTolerance().AsDuration()
	}
	c.signing("tolerance", strings.TrimPrefix(toleranceField, ".signing."), tolerance.String(), "any", func(s *allowlistv1.Signing) {
		s.Tolerance = durationpb.New(anyTime)
	})
}

// input adds another template of the signed string.
func (c *collector) input(group, works string) {
	c.signing(group, "input", shown(c.profile.GetSigning().GetInput()), shown(works), func(s *allowlistv1.Signing) { s.Input = works })
}

// shown returns a template with visible line ends.
func shown(template string) string {
	return strings.NewReplacer("\r", `\r`, "\n", `\n`, `\`, `\\`).Replace(template)
}

// lineEnds adds other line ends in the signed string.
func (c *collector) lineEnds() {
	const group = "line ends"
	text := c.profile.GetSigning().GetInput()
	if typed := strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(text); typed != text {
		c.input(group, typed) // a backslash and a letter instead of the character
	}
	lf := strings.ReplaceAll(text, "\r\n", "\n")
	if cut, ended := strings.CutSuffix(lf, "\n"); ended {
		c.input(group, cut)
	} else {
		c.input(group, text+"\n")
	}
	if strings.Contains(lf, "\n") {
		for _, end := range []string{"\n", "\r\n", ""} {
			c.input(group, strings.ReplaceAll(lf, "\n", end))
			c.input(group, strings.ReplaceAll(strings.TrimSuffix(lf, "\n"), "\n", end))
		}
	}
}

// inputs adds the body alone or after the URL, and other encodings of values in the signed
// string.
func (c *collector) inputs() {
	text := c.profile.GetSigning().GetInput()
	for _, spelling := range [][2]string{{"|hex}", "|hex_upper}"}, {"|hex_upper}", "|hex}"}, {"|hex}", "|base64}"}, {"|base64}", "|hex}"}, {"|base64}", "|base64url}"}, {"|base64url}", "|base64}"}} {
		c.input("input", strings.ReplaceAll(text, spelling[0], spelling[1]))
	}
	if !strings.Contains(text, "${secret") {
		c.input("input", bodyInput)
		c.input("input", "https://${host}${path}"+bodyInput)
	}
}

// hashes adds the other algorithms that work with the same keys.
func (c *collector) hashes() {
	const group = "algorithm"
	switch scheme := c.profile.GetSigning().GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		configured := name(scheme.Mac.GetAlgorithm(), "ALGORITHM_", "")
		for _, a := range []allowlistv1.Mac_Algorithm{
			allowlistv1.Mac_ALGORITHM_HMAC_SHA256, allowlistv1.Mac_ALGORITHM_HMAC_SHA1,
			allowlistv1.Mac_ALGORITHM_HMAC_SHA512, allowlistv1.Mac_ALGORITHM_HMAC_SHA384,
		} {
			c.signing(group, "mac.algorithm", configured, name(a, "ALGORITHM_", ""), func(s *allowlistv1.Signing) { s.GetMac().Algorithm = a })
		}
	case *allowlistv1.Signing_SecretDigest:
		configured := hashName(c.described.Signing.Hash)
		for _, h := range []allowlistv1.Hash{
			allowlistv1.Hash_HASH_SHA256, allowlistv1.Hash_HASH_MD5, allowlistv1.Hash_HASH_SHA512, allowlistv1.Hash_HASH_SHA1, allowlistv1.Hash_HASH_SHA384,
		} {
			c.signing(group, "secret_digest.hash", configured, name(h, "HASH_", ""), func(s *allowlistv1.Signing) { s.GetSecretDigest().Hash = h })
		}
	case *allowlistv1.Signing_Asymmetric:
		configured := name(scheme.Asymmetric.GetAlgorithm(), "ALGORITHM_", "")
		for a := allowlistv1.Asymmetric_ALGORITHM_UNSPECIFIED + 1; int(a) < len(allowlistv1.Asymmetric_Algorithm_name); a++ {
			works := name(a, "ALGORITHM_", "")
			if family(works) == family(configured) {
				c.signing(group, "asymmetric.algorithm", configured, works, func(s *allowlistv1.Signing) { s.GetAsymmetric().Algorithm = a })
			}
		}
	case *allowlistv1.Signing_Jws:
		c.jwsAlgorithms(scheme.Jws)
	}
}

// family returns the part of an asymmetric algorithm's name that determines its keys.
func family(algorithm string) string {
	family, curve, _ := strings.Cut(algorithm, "_")
	if family == "ECDSA" {
		return family + curve[:len("P256")]
	}
	return family
}

// jwsAlgorithms adds the other algorithms of a detached JWS, and its unencoded payload.
func (c *collector) jwsAlgorithms(jws *allowlistv1.Jws) {
	configured := name(jws.GetAlgorithm(), "ALGORITHM_", "")
	for a := allowlistv1.Jws_ALGORITHM_UNSPECIFIED + 1; int(a) < len(allowlistv1.Jws_Algorithm_name); a++ {
		if works := name(a, "ALGORITHM_", ""); sameKey(works, configured) {
			c.signing("algorithm", "jws.algorithm", configured, works, func(s *allowlistv1.Signing) { s.GetJws().Algorithm = a })
		}
	}
	raw := jws.GetUnencodedPayload()
	c.signing("unencoded", "jws.unencoded_payload", fmt.Sprint(raw), fmt.Sprint(!raw), func(s *allowlistv1.Signing) { s.GetJws().UnencodedPayload = !raw })
}
