package changelog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxSuccessions is the maximum number of times that the key of a log is replaced.
const MaxSuccessions = 1000

// maxSuccessionSize is the maximum size of a succession in bytes. Those of a log have about 250.
const maxSuccessionSize = 4096

// successionLine distinguishes a succession from a checkpoint, whose second line is a number.
const successionLine = "log key"

var errSuccession = errors.New("change log: malformed succession of keys")

// succeed returns the succession to another key: a signed note with the name of the log, [successionLine]
// and the new verifier key.
func (s noteSigner) succeed(next string) (string, error) {
	signed, err := note.Sign(&note.Note{Text: successionText(s.Name(), next)}, s)
	return string(signed), err
}

func successionText(name, next string) string {
	return name + "\n" + successionLine + "\n" + next + "\n"
}

// openSuccession returns the key that a succession names. It fails unless the given key signed the
// succession, and both keys belong to a log of the same name.
func openSuccession(succession, key string) (next string, err error) {
	if len(succession) > maxSuccessionSize {
		return "", errSuccession
	}
	verifier, err := parseKey(key)
	if err != nil {
		return "", err
	}
	opened, err := note.Open([]byte(succession), note.VerifierList(verifier))
	if err != nil {
		return "", fmt.Errorf("verify succession of keys: %w", err)
	}
	// There is one form of a succession: a changed one is noticed even if it still verifies.
	signature := opened.Sigs[0].Base64
	_, err = base64.StdEncoding.Strict().DecodeString(signature)
	if err != nil || succession != opened.Text+"\n— "+verifier.Name()+" "+signature+"\n" {
		return "", errSuccession
	}
	return parseSuccession(opened.Text, verifier.Name())
}

// parseSuccession returns the key in the text of a succession of the log with this name.
func parseSuccession(text, name string) (next string, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || text != successionText(name, lines[2]) {
		return "", errSuccession
	}
	verifier, err := parseKey(lines[2])
	if err != nil || verifier.Name() != name {
		return "", errSuccession
	}
	return lines[2], nil
}

// parseKey returns the verifier of a key, which must have its usual form, so that two strings are
// two keys.
func parseKey(key string) (note.Verifier, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil || !strings.HasPrefix(key, fmt.Sprintf("%s+%08x+", verifier.Name(), verifier.KeyHash())) {
		return nil, errSuccession
	}
	return verifier, nil
}

// leads reports whether successions lead from one key to another. Successions before the first key
// are skipped. Each other one is signed by the key that the one before it names, and the last one
// names the second key.
func leads(successions []string, from, to string) bool {
	return from == to || follow(successions, from) == to
}

// follow returns the key to which successions lead from another one, or an empty string.
func follow(successions []string, from string) string {
	if len(successions) > MaxSuccessions {
		return ""
	}
	key, found := from, false
	for _, succession := range successions {
		next, err := openSuccession(succession, key)
		if err != nil && found {
			return ""
		}
		if err == nil {
			key, found = next, true
		}
	}
	return key
}
