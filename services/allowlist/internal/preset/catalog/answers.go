package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
)

// A Sources is the folders of the known answers of the built-in presets.
type Sources struct {
	// Presets contains answers.json.
	Presets string
	// Payload contains vectors.json, the known answers of package payload, and the folder keys. An
	// answer can name a vector instead of repeating it, and a file of a key.
	Payload string
}

// Below returns the sources in a directory of the allowlist's internal packages.
func Below(internal string) Sources {
	return Sources{Presets: filepath.Join(internal, "preset", "testdata"), Payload: filepath.Join(internal, "payload", "testdata")}
}

// An entry is an answer of answers.json: an [answer.Answer] whose parts may be in a vector.
type entry struct {
	answer.Answer
	Vector  string
	Secrets map[string]stored
	// Exchange contains names of secrets of the vector.
	Exchange *answer.Exchange
}

// A stored secret is its string, its key files, or the name of a secret of the vector.
type stored struct{ Value, File, Name string }

func (s *stored) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &s.Name)
	}
	type plain stored
	return json.Unmarshal(text, (*plain)(s))
}

// A vector contains the parts of a known answer of package payload that answers need.
type vector struct {
	ID, Tool, Plaintext string
	Deterministic       bool
	Secrets             map[string]struct{ Value, Decode string }
	Output              struct {
		Body    string
		Headers map[string]string
	}
	Context struct {
		Timestamp           float64
		ID                  string `json:"msg_id"`
		Method, Path, Query string
	}
}

// Answers returns the known answers of the built-in presets, in the order of the file.
func (s Sources) Answers() ([]answer.Answer, error) {
	var entries []entry
	if err := readJSON(filepath.Join(s.Presets, "answers.json"), &entries); err != nil {
		return nil, err
	}
	var file struct{ Vectors []vector }
	if err := readJSON(filepath.Join(s.Payload, "vectors.json"), &file); err != nil {
		return nil, err
	}
	vectors := make(map[string]vector, len(file.Vectors))
	for _, v := range file.Vectors {
		vectors[v.ID] = v
	}
	answers := make([]answer.Answer, len(entries))
	for i, e := range entries {
		a, err := s.complete(e, vectors)
		if err != nil {
			return nil, fmt.Errorf("known answer %d, of %s: %w", i, e.Preset, err)
		}
		answers[i] = a
	}
	return answers, nil
}

// complete returns an answer with the parts that are in its vector and in files.
func (s Sources) complete(e entry, vectors map[string]vector) (answer.Answer, error) {
	a := e.Answer
	var v vector
	if e.Vector != "" {
		known, ok := vectors[e.Vector]
		if !ok {
			return a, fmt.Errorf("there is no vector %s", e.Vector)
		}
		v = known
		a.Tool, a.Body, a.Headers, a.Deterministic = v.Tool, v.Output.Body, v.Output.Headers, v.Deterministic
		if a.Plaintext == "" {
			a.Plaintext = v.Plaintext
		}
		c := v.Context
		a.Context.Time, a.Context.ID, a.Context.Method, a.Context.Path, a.Context.Query = c.Timestamp, c.ID, c.Method, c.Path, c.Query
		if e.Exchange != nil {
			a.Exchange = &answer.Exchange{Key: v.Secrets[e.Exchange.Key].Value, IV: v.Secrets[e.Exchange.IV].Value}
		}
	}
	a.Secrets = make(map[string]answer.Secret, len(e.Secrets))
	for name, secret := range e.Secrets {
		found, err := s.secret(secret, v)
		if err != nil {
			return a, fmt.Errorf("secret %s: %w", name, err)
		}
		a.Secrets[name] = found
	}
	return a, nil
}

// decodings are the encodings of the secrets of vectors.
var decodings = map[string]allowlistv1.Decoding{
	"utf8": allowlistv1.Decoding_DECODING_RAW, "hex": allowlistv1.Decoding_DECODING_HEX,
	"base64": allowlistv1.Decoding_DECODING_BASE64, "whsec": allowlistv1.Decoding_DECODING_WHSEC,
}

// secret returns the value of a stored secret.
func (s Sources) secret(from stored, v vector) (answer.Secret, error) {
	if from.Name == "" {
		if from.File == "" {
			return answer.Secret{Value: from.Value}, nil
		}
		return s.keyFiles(from.File)
	}
	known, ok := v.Secrets[from.Name]
	switch {
	case !ok:
		return answer.Secret{}, fmt.Errorf("the vector %s has no secret %s", v.ID, from.Name)
	case strings.HasSuffix(known.Decode, "file"):
		return s.keyFiles(filepath.Base(known.Value))
	}
	return answer.Secret{Value: known.Value, Decoding: decodings[known.Decode]}, nil
}

// keyFiles returns the concatenated key files with these names.
func (s Sources) keyFiles(names string) (answer.Secret, error) {
	var text []byte
	for _, name := range strings.Fields(names) {
		b, err := os.ReadFile(filepath.Join(s.Payload, "keys", name))
		if err != nil {
			return answer.Secret{}, err
		}
		text = append(text, b...)
	}
	return answer.Secret{Value: string(text)}, nil
}

func readJSON(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("parse %s: %w", filepath.Base(name), err)
	}
	return nil
}
