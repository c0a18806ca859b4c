package literal

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A class is what a name says about its value.
type class int

const (
	ordinary  class = iota
	signature       // computed for each message: public if it has a placeholder
	secret          // usually a secret, such as an API key
	password        // always a secret
	scheme          // always a secret, after the name of a scheme
)

// kind returns the kind of a literal under a name of the class.
func (c class) kind() Kind {
	switch c {
	case ordinary:
		return None
	case password, scheme:
		return Password
	default:
		return Named
	}
}

// The names, in lower case and without separators. A name with the prefix `*` also matches the end
// of other names: `*key` matches `apikey`. Other names match a whole name or its last words: `sig`
// matches `X-Sig`, but not `design`.
var names = map[class][]string{
	scheme: {"*authorization", "*authorisation", "cookie", "setcookie"},
	password: {
		"*password", "*passwd", "*passphrase", "*secret", "*secrets", "*credential", "*credentials", "*privatekey", "*bearer",
		"pwd", "pass", "passcode", "cred", "creds",
	},
	secret:    {"*key", "*token", "*auth", "*apikeys", "*authentication", "*assertion", "jwt", "pin", "otp", "cvv", "session", "*sessionid", "*cookie"},
	signature: {"*signature", "sig", "sign", "hmac", "mac"},
}

// Sensitive reports whether a header, query parameter, or member with this name usually carries a
// secret. Case and separators do not matter: `X-Api-Key`, `apikey`, and `api_key` are the same.
func Sensitive(name string) bool { return classOf(name) != ordinary }

func classOf(name string) class {
	words := wordsOf(name)
	for len(words) > 1 && decoration.MatchString(words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return ordinary
	}
	words[len(words)-1] = strings.TrimRight(words[len(words)-1], "0123456789")
	whole, last := strings.Join(words, ""), words[len(words)-1]
	if strings.HasSuffix(whole, "publickey") {
		return ordinary
	}
	for _, class := range []class{scheme, password, secret, signature} {
		if slices.ContainsFunc(names[class], func(n string) bool {
			if end, found := strings.CutPrefix(n, "*"); found {
				return strings.HasSuffix(whole, end)
			}
			return whole == n || last == n
		}) {
			return class
		}
	}
	// A password remains one, whatever follows: `password2`, `secretValue`.
	if slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"password", "passwd", "passphrase", "secret", "credential", "bearer"}, strings.TrimRight(w, "0123456789"))
	}) {
		return password
	}
	return ordinary
}

// wordsOf returns the words of a name in lower case: `clientSecret` and `client-secret`
// have two.
func wordsOf(name string) []string {
	var spaced strings.Builder
	var before rune
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			r = ' '
		case unicode.IsUpper(r) && unicode.IsLower(before):
			spaced.WriteByte(' ')
		}
		spaced.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.Fields(spaced.String())
}

// decoration matches a word at the end of a name that says nothing about the value, as in
// `X-Api-Key-Prod` and `apiKeyV2`.
var decoration = regexp.MustCompile(`^(value|header|prod|production|test|uat|live|sandbox|v?[0-9]+)$`)

var (
	placeholder = regexp.MustCompile(`\$\{[^}]*\}`)
	// A piece is a word of a template with the separator that follows it.
	piece = regexp.MustCompile(`([^\s"'=:;,\x00]+)("?[\s=:]?)`)
	// A value may begin with a word, or the name of a scheme such as HMAC-SHA256.
	announced = regexp.MustCompile(`^([A-Za-z]{1,12}|[A-Z0-9]+(-[A-Z0-9]+)+)$`)
)

// holds reports whether the value under a name of the class is a literal. Values that are computed
// for each message are not: `sha256=${signature}`, `Signature keyId="7",sig="${signature}"`.
func (c class) holds(value string) bool {
	computed := placeholder.ReplaceAllString(value, "\x00")
	switch {
	case c == ordinary || strings.Trim(computed, " \x00") == "":
		return false
	case !strings.Contains(computed, "\x00"):
		return true
	case c == signature:
		return false
	}
	first, named := true, false
	for _, found := range piece.FindAllStringSubmatch(computed, -1) {
		ends := strings.Trim(found[2], `"`)
		introduces := ends == "=" || ends == ":" || first && ends == " " && (c == scheme || announced.MatchString(found[1]))
		if !introduces && !named {
			return true
		}
		first, named = false, introduces && ends != " "
	}
	return false
}

// exempt reports whether a value is a SHA-1 thumbprint or the serial number of a certificate under
// a name that says so: it has 20 bytes, and no cipher has a key of that length.
func exempt(name, value string) bool {
	words := wordsOf(name)
	whole := strings.Join(words, "")
	named := whole == "x5t" || slices.ContainsFunc([]string{"serial", "serialno", "serialnumber", "thumbprint", "fingerprint"}, func(end string) bool {
		return strings.HasSuffix(whole, end)
	})
	return named && sha1Sized.MatchString(value)
}

var sha1Sized = regexp.MustCompile(`^([0-9A-Fa-f]{40}|([0-9A-Fa-f]{2}:){19}[0-9A-Fa-f]{2}|[A-Za-z0-9_+/-]{27}=?)$`)
