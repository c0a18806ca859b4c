package e2e

import (
	"bytes"
	"encoding/json"
)

// The vocabulary of the vectors' profiles.
type vectorProfile struct {
	Kind        string          `json:"kind"`
	Content     vectorContent   `json:"content"`
	Key         vectorKey       `json:"key"`
	Wrap        *vectorWrap     `json:"wrap"`
	IV          vectorIV        `json:"iv"`
	AAD         *vectorAAD      `json:"aad"`
	Mac         *vectorMac      `json:"mac"`
	Nested      *vectorNested   `json:"nested"`
	Envelope    *vectorEnvelope `json:"envelope"`
	Select      *vectorSelect   `json:"select"`
	ContentType string          `json:"content_type"`

	// JWE, OpenPGP, and signatures
	Alg           string        `json:"alg"`
	Enc           string        `json:"enc"`
	Ref           string        `json:"ref"`
	Refs          []string      `json:"refs"`
	Derive        *vectorDerive `json:"derive"`
	Serialization string        `json:"serialization"`
	IVLen         uint32        `json:"iv_len"`
	Armor         *bool         `json:"armor"`
	Passphrase    string        `json:"passphrase"`
	Signer        string        `json:"signer"`

	Scheme          string            `json:"scheme"`
	Input           string            `json:"input"`
	Join            string            `json:"join"`
	Headers         map[string]string `json:"headers"`
	BodyTemplate    string            `json:"body_template"`
	B64             *bool             `json:"b64"`
	ProtectedHeader map[string]any    `json:"protected_header"`
	Tolerance       int64             `json:"tolerance"`
	ToleranceS      int64             `json:"tolerance_s"`
}

type vectorContent struct {
	Alg     string `json:"alg"`
	Padding string `json:"padding"`
	TagLen  uint32 `json:"tag_len"`
}

type vectorKey struct {
	Ref     string         `json:"ref"`
	Refs    []string       `json:"refs"`
	Derive  *vectorDerive  `json:"derive"`
	Session *vectorSession `json:"session"`
	Ecdh    *vectorEcdh    `json:"ecdh"`
}

type vectorSession struct {
	Len    uint32        `json:"len"`
	Form   string        `json:"form"`
	Scope  string        `json:"scope"`
	Derive *vectorDerive `json:"derive"`
}

type vectorEcdh struct {
	Curve  string        `json:"curve"`
	Ref    string        `json:"ref"`
	Refs   []string      `json:"refs"`
	Derive *vectorDerive `json:"derive"`
}

type vectorWrap struct {
	Alg         string   `json:"alg"`
	Hash        string   `json:"hash"`
	Mgf         string   `json:"mgf"`
	Label       string   `json:"label"`
	Ref         string   `json:"ref"`
	Refs        []string `json:"refs"`
	Fingerprint string   `json:"fingerprint"`
}

type vectorDerive struct {
	Type       string `json:"type"`
	Hash       string `json:"hash"`
	Form       string `json:"form"`
	Take       uint32 `json:"take"`
	Len        uint32 `json:"len"`
	Iterations uint32 `json:"iterations"`
	Salt       string `json:"salt"`
	SaltLen    uint32 `json:"salt_len"`
	Info       string `json:"info"`
	Yields     string `json:"yields"`
	N          uint32 `json:"n"`
	R          uint32 `json:"r"`
	P          uint32 `json:"p"`
}

type vectorIV struct {
	Source    string `json:"source"`
	Len       uint32 `json:"len"`
	Ref       string `json:"ref"`
	Scope     string `json:"scope"`
	Placement string `json:"placement"`
	Path      string `json:"path"`
	Value     string `json:"value"`
	Decode    string `json:"decode"`
}

type vectorAAD struct {
	Source string `json:"source"`
	Value  string `json:"value"`
	Decode string `json:"decode"`
	Ref    string `json:"ref"`
	Path   string `json:"path"`
	Len    uint32 `json:"len"`
}

type vectorMac struct {
	Alg   string `json:"alg"`
	Ref   string `json:"ref"`
	Input string `json:"input"`
}

type vectorNested struct {
	JWS struct {
		Alg             string         `json:"alg"`
		Ref             string         `json:"ref"`
		Refs            []string       `json:"refs"`
		ProtectedHeader map[string]any `json:"protected_header"`
	} `json:"jws"`
}

type vectorEnvelope struct {
	Text     *string                `json:"text"`
	JSON     json.RawMessage        `json:"json"`
	Blobs    map[string]*vectorBlob `json:"blobs"`
	Headers  map[string]string      `json:"headers"`
	OuterEnc string                 `json:"outer_enc"`
}

type vectorBlob struct {
	Parts []string `json:"parts"`
	Enc   string   `json:"enc"`
}

type vectorSelect struct {
	Mode      string   `json:"mode"`
	Path      string   `json:"path"`
	Paths     []string `json:"paths"`
	Names     []string `json:"names"`
	ValueForm string   `json:"value_form"`
	SkipEmpty bool     `json:"skip_empty"`
	OnMissing string   `json:"on_missing"`
}

// readProfile parses a profile. An unknown word is an error, unless a known answer shows whether
// it matters.
func readProfile(raw json.RawMessage, answered bool) (*vectorProfile, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if !answered {
		decoder.DisallowUnknownFields()
	}
	p := new(vectorProfile)
	err := decoder.Decode(p)
	if p.Kind == "sign" && (p.Scheme == "jws" || p.Scheme == "jws_compact" || p.Scheme == "jws_attached") {
		p.Kind = "jws" // the body is built from the payload, as with a cipher
	}
	return p, err
}
