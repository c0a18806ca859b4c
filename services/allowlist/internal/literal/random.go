package literal

import (
	"regexp"
	"strings"
)

// # What looks random
//
// Hexadecimal of 128 bits is recognized by its length alone, unless it is a decimal number.
// Base64 uses the same letters as words: 16 bytes take 22 characters, and many names are as
// long. But names consist of pairs of letters that are common in English and its acronyms. Only
// a quarter of the pairs in random text are common.

const (
	// minBase64 is the number of base64 characters of 128 bits.
	minBase64 = 22
	// fewest is the number of different characters below which a string is too regular for a key.
	fewestHex, fewestBase64 = 5, 10
	// wordly is the minimum share of common pairs in a string of words.
	wordly = 0.6
	// changing is the minimum share of changes between kinds of characters in random text.
	changing = 0.32
)

var (
	uuid = regexp.MustCompile(`(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b`)
	// Hexadecimal without separators, and in bytes or groups with separators.
	hexRuns  = regexp.MustCompile(`[0-9A-Fa-f]{32,}`)
	hexBytes = regexp.MustCompile(`(?i)(?:(?:0x|\\x)?[0-9a-f]{2}[:\-, \n]{1,2}){15,}(?:0x|\\x)?[0-9a-f]{2}`)
	hexWords = regexp.MustCompile(`(?i)(?:[0-9a-f]{4}[\- \n]){7,}[0-9a-f]{4}|(?:[0-9a-f]{8}[\- \n]){3,}[0-9a-f]{8}`)
	runs     = regexp.MustCompile(`[A-Za-z0-9+/_-]{22,}={0,2}`)
)

// common holds the pairs of letters that are common in names: nine in ten of the pairs in the
// vocabulary of this repository.
var common = pairsOf("ab ac ad ag ai al am an ap ar as at au av ay ba be bi bl bo ca ce ch ci ck cl co cr ct cu da dd de di do ds " +
	"ea ec ed ee ef eg el em en ep er es et ev ex fa fe ff fi fl fo ge gi gn gr gs ha he hi ho ia ic id ie if ig il im in io ip ir is " +
	"it iv ke ks la ld le li ll lo ls lt ly ma me mi mo mp na nc nd ne ng ni no ns nt oc od ok ol om on oo op or os ot ou ov ow pa pe " +
	"ph pi pl po pp pr ps pt pu qu ra rd re ri rm ro rr rs rt ry sa sc se sh si so sp ss st su ta tc te th ti to tr ts tt tu ty ue ul " +
	"um un up ur us ut va ve vi wa we wh wi wr yp")

func pairsOf(list string) map[string]bool {
	pairs := make(map[string]bool)
	for pair := range strings.FieldsSeq(list) {
		pairs[pair] = true
	}
	return pairs
}

// material reports whether a string contains 128 bits or more that look random.
func material(text string) bool {
	text = uuid.ReplaceAllString(text, " ")
	for _, run := range hexRuns.FindAllString(text, -1) {
		if distinct(run) >= fewestHex && hasLetter(run) {
			return true
		}
	}
	for _, shape := range []*regexp.Regexp{hexBytes, hexWords} {
		for _, run := range shape.FindAllString(text, -1) {
			if distinct(run) >= fewestHex && hasLetter(strings.ReplaceAll(run, "x", "")) {
				return true
			}
		}
	}
	for _, at := range runs.FindAllStringIndex(text, -1) {
		run := text[at[0]:at[1]]
		if padded(run, text[at[1]:]) && distinct(run) > fewestBase64 || token(strings.TrimRight(run, "=")) {
			return true
		}
	}
	return false
}

// padded reports whether a run and the rest after it are base64 that ends in padding, which names
// never do.
func padded(run, rest string) bool {
	return strings.HasSuffix(run, "=") && len(run)%4 == 0 && (rest == "" || strings.ContainsAny(rest[:1], " \n\r\t\"',;:&)]}"))
}

// token reports whether a run of base64 characters looks random. If the run has more separators
// than base64 has, it is a path or a name with dashes, and each part is examined separately.
func token(run string) bool {
	if len(run) < minBase64 {
		return false
	}
	for _, separators := range []string{"/+", "-_"} {
		if n := count(run, separators); n > max(2, len(run)/7) {
			for _, part := range strings.FieldsFunc(run, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
				if token(part) {
					return true
				}
			}
			return false
		}
	}
	// Names often have letters of only one case; base64 never does.
	return hasLower(run) && hasUpper(run) && distinct(run) >= fewestBase64 && random(run)
}

// random reports whether a run changes between letters and digits, and from lower case to upper
// case, more often than names do, or whether fewer of its pairs of letters are common.
func random(run string) bool {
	letters, known, changes := 0, 0, 0
	for i := range len(run) - 1 {
		a, b := run[i], run[i+1]
		if isLetter(a) && isDigit(b) || isDigit(a) && isLetter(b) || isLower(a) && isUpper(b) {
			changes++
		}
		if !isLetter(a) || !isLetter(b) || isLower(a) && !isLower(b) {
			continue
		}
		letters++
		if common[strings.ToLower(run[i:i+2])] {
			known++
		}
	}
	if float64(changes) >= changing*float64(len(run)) {
		return true
	}
	if letters < 4 {
		return count(run, "0123456789") < len(run)*3/4 // such as a date or a number with a few letters
	}
	return float64(known) < wordly*float64(letters)
}

func distinct(text string) int {
	var seen [256]bool
	n := 0
	for i := range len(text) {
		if !seen[text[i]] {
			seen[text[i]], n = true, n+1
		}
	}
	return n
}

func count(text, characters string) int {
	return len(text) - len(strings.Map(func(r rune) rune {
		if strings.ContainsRune(characters, r) {
			return -1
		}
		return r
	}, text))
}

func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return isLower(c) || isUpper(c) }

func hasLower(text string) bool  { return strings.ToUpper(text) != text }
func hasUpper(text string) bool  { return strings.ToLower(text) != text }
func hasLetter(text string) bool { return hasLower(text) || hasUpper(text) }
