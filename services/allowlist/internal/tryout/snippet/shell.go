package snippet

import (
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"text/template"
	"unicode/utf8"

	"github.com/keyward/keyward/pkg/keyform"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	encodings "github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

//go:embed shell.tmpl
var shellTemplate string

// A shellProgram is what the template of commands is executed with.
type shellProgram struct {
	// Tool is the tool that decrypts, and PGP says that it is GnuPG.
	Tool string
	PGP  bool
	// Secret names the secret whose value Key replaces. Key ends with a line end.
	Secret, Key string
	// Reader is the command that reads Body, and Decode is a command in front of the tool, or empty.
	Reader, Body, Decode string
	// Paths are the steps to the values as arguments in JSON. It is empty for the whole body. String
	// says that their plaintexts are the strings, and not JSON.
	Paths  []string
	String bool
}

// shell returns commands that decrypt a message in a format that the standard libraries of the
// languages lack: OpenPGP with GnuPG, and CMS with OpenSSL. It fails with [errBeyond] for all other
// formats, for signed messages, and for envelopes with more than one value.
func shell(m Message) (Program, error) {
	p := m.Profile
	s := shellProgram{PGP: p.Kind == describe.KindPGP, Reader: "cat", Body: strings.TrimSuffix(string(m.Body), "\n")}
	var key Key
	var err error
	switch {
	case p.Signing != nil || p.Nested != nil || p.Outer != nil || p.Inner != encodings.Raw || p.Envelope.Outer != encodings.Raw:
		return Program{}, errBeyond
	case s.PGP && !p.PGP.Signs && !m.locked():
		s.Tool = "GnuPG"
		key, err = m.key(m.at("pgp.keys[0]"))
		s.Key, err = armored(key, err)
	case p.Kind == describe.KindCMS && p.CMS.Encrypts && !p.CMS.Signs:
		s.Tool = "OpenSSL"
		key, err = m.key(m.at("cms.keys[0]"))
		s.Key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key.Private}))
	default:
		return Program{}, errBeyond
	}
	if err != nil || s.PGP == (key.Private != nil) {
		return Program{}, errBeyond
	}
	s.Secret = key.Secret[strings.LastIndexByte(key.Secret, '/')+1:]
	if s.Decode, err = decoder(p.Envelope); err != nil {
		return Program{}, err
	}
	if err := s.selects(p.Selection()); err != nil {
		return Program{}, err
	}
	if !utf8.Valid(m.Body) || strings.ContainsAny(s.Body, "\x00\r") || strings.Contains(s.Body, "END_OF_BODY") {
		s.Reader, s.Body = "base64 --decode", base64Of(m.Body)
	}
	made, err := template.New("shell").Parse(shellTemplate)
	if err != nil {
		return Program{}, fmt.Errorf("parse the template of commands: %w", err)
	}
	var code strings.Builder
	if err := made.Execute(&code, s); err != nil {
		return Program{}, fmt.Errorf("write commands: %w", err)
	}
	return Program{Language: "shell", Code: code.String()}, nil
}

// locked reports whether the keys have a passphrase.
func (m Message) locked() bool {
	_, err := m.key(m.at("pgp.passphrase"))
	return err == nil
}

// armored returns the armor of an OpenPGP key as it is stored.
func armored(key Key, err error) (string, error) {
	if err != nil {
		return "", err
	}
	block, err := keyform.Decode(key.Decoding, key.Stored)
	if err != nil {
		return "", fmt.Errorf("decode key: %w", err)
	}
	if !strings.Contains(string(block), "PRIVATE KEY BLOCK") {
		return "", errBeyond
	}
	return strings.TrimRight(string(block), "\n") + "\n", nil
}

// decoder returns the command that decodes the value of an envelope, with a pipe behind it.
func decoder(e describe.Envelope) (string, error) {
	if len(e.Blobs) != 1 || len(e.Blobs[0].Parts) != 1 || e.JSON || e.Body != "${"+e.Blobs[0].Name+"}" || len(e.Headers) > 0 {
		return "", errBeyond
	}
	switch e.Blobs[0].Encoding {
	case encodings.Raw:
		return "", nil
	case encodings.Base64, encodings.Base64MIME:
		return "base64 --decode | ", nil
	default:
		return "", errBeyond
	}
}

// selects adds the paths of a selection.
func (s *shellProgram) selects(selection describe.Selection) error {
	if selection.Part == describe.WholeBody {
		return nil
	}
	s.String = selection.ValueForm == allowlistv1.Fields_VALUE_FORM_STRING
	if selection.Part != describe.Fields || selection.SkipEmpty || !s.String && selection.ValueForm != allowlistv1.Fields_VALUE_FORM_JSON {
		return errBeyond
	}
	for _, text := range selection.Paths {
		path, ok := jsonbytes.ParsePath(text)
		if !ok || !path.Members() {
			return errBeyond
		}
		steps, err := json.Marshal(path.Steps())
		if err != nil {
			return fmt.Errorf("write a path: %w", err)
		}
		s.Paths = append(s.Paths, "'"+strings.ReplaceAll(string(steps), "'", `'\''`)+"'")
	}
	return nil
}
