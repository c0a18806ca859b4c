// Package answer verifies presets with known answers: messages that another tool created. A known
// answer contains its own keys, which are not valuable.
//
// A file of known answers is a JSON list of [Answer]. An operator puts ID.answer.json next to a
// preset ID.json ([CheckFolder]).
package answer

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// An Answer is a message that another tool created with the configuration of a preset.
type Answer struct {
	// Preset is the ID of the preset, and Tool the name and version of the tool.
	Preset, Tool string
	// Direction is `request` or `response`. Default `request`.
	Direction string
	// Secrets are the values of the secrets by the preset's names for them, and Settings the settings.
	Secrets  map[string]Secret
	Settings map[string]string
	// Context is the other signed data.
	Context Context
	// Plaintext is the body that was encrypted or signed. Body, Headers, and Query, the parameters of
	// the signature, are the message.
	Plaintext, Body string
	Headers, Query  map[string]string
	// Deterministic says that the same plaintext always yields the same message.
	Deterministic bool
	// Exchange is the state that a response takes from its request, or nil.
	Exchange *Exchange
}

// A Secret is the stored value of a secret.
type Secret struct {
	Value string
	// Decoding replaces the decoding of the preset.
	Decoding allowlistv1.Decoding `json:"-"`
}

// A Context holds the properties of a message other than its body and headers. The time is in
// seconds since 1970; 0 is the current time.
type Context struct {
	Time                                       float64
	ID, Method, Host, Path, Query, ContentType string
	// Values and Headers are those that the signature covers.
	Values, Headers map[string]string
}

// An Exchange is the key and the IV of a request, in hexadecimal.
type Exchange struct{ Key, IV string }

// workspace is the workspace of the secrets of answers.
const workspace = "answers"

const place = "workspaces/" + workspace + "/secrets/"

// Parse parses the file of the known answers of a preset.
func Parse(id string, text []byte) ([]Answer, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var answers []Answer
	if err := decoder.Decode(&answers); err != nil {
		return nil, fmt.Errorf("parse known answers: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file must contain only one list")
	}
	if len(answers) == 0 {
		return nil, errors.New("the list has no known answer")
	}
	for i, a := range answers {
		switch {
		case a.Preset != id:
			return nil, fmt.Errorf("[%d].preset: must be the ID in the name of the file", i)
		case a.Direction != "" && a.Direction != "request" && a.Direction != "response":
			return nil, fmt.Errorf("[%d].direction: must be request or response", i)
		}
	}
	return answers, nil
}

// Pipeline compiles the preset with the secrets and settings of the answer, and returns the
// configuration and its direction.
func (a Answer) Pipeline(l *preset.Library, now time.Time) (*payload.Config, payload.Direction, error) {
	u := &allowlistv1.PresetUse{Id: a.Preset, Secrets: map[string]*allowlistv1.SecretRef{}, Settings: a.Settings}
	for name, secret := range a.Secrets {
		u.Secrets[name] = &allowlistv1.SecretRef{Name: place + name, Decoding: secret.Decoding}
	}
	if p := l.Find(a.Preset); len(p.GetLegacy()) > 0 {
		u.LegacyReason, u.LegacyExpireTime = "a known answer", timestamppb.New(now.AddDate(0, 1, 0))
	}
	draft, err := l.Parse(&allowlistv1.Encryption{Preset: u}, workspace, now)
	direction := payload.Request
	if a.Direction == "response" {
		direction = payload.Response
	}
	return draft.Config(), direction, err
}

// Stored returns the stored value of the secret with a full name.
func (a Answer) Stored(secret string) string { return a.Secrets[NameOf(secret)].Value }

// At returns the other properties of the message. Its time is now unless the answer has one.
func (a Answer) At(now time.Time) payload.Context {
	c := a.Context
	if c.Time > 0 {
		now = time.UnixMilli(int64(c.Time * 1000)).UTC()
	}
	return payload.Context{
		Time: now, ID: c.ID, Method: c.Method, Host: c.Host, Path: c.Path, Query: c.Query, Values: c.Values, Headers: Lower(c.Headers),
	}
}

// ContentType returns the content type of the message, which is JSON by default.
func (a Answer) ContentType() string { return cmp.Or(a.Context.ContentType, "application/json") }

// State returns the state that a response takes from its request. It is nil without an exchange.
func (a Answer) State() (*payload.Exchange, error) {
	if a.Exchange == nil {
		return nil, nil
	}
	key, keyErr := hex.DecodeString(a.Exchange.Key)
	iv, ivErr := hex.DecodeString(a.Exchange.IV)
	if keyErr != nil || ivErr != nil {
		return nil, errors.New("exchange: must be hexadecimal")
	}
	return &payload.Exchange{Key: key, IV: iv}, nil
}

// Input returns the input of a call with the keys of references.
func (a Answer) Input(refs []payload.Reference, body string, headers payload.Headers, now time.Time) (payload.Input, error) {
	state, err := a.State()
	at := a.At(now)
	in := payload.Input{Nonces: payload.Uncounted, Now: at.Time, Body: []byte(body), Headers: headers, Exchange: state, Context: at}
	in.ContentType = a.ContentType()
	for _, ref := range refs {
		in.Keys = append(in.Keys, []payload.Key{{Value: sensitive.New([]byte(a.Stored(ref.Secret))), Version: 1}})
	}
	return in, err
}

// Received returns the input of a call with a received message, whose headers and query parameters
// join those of the context.
func (a Answer) Received(refs []payload.Reference, body string, headers payload.Headers, query map[string]string, now time.Time) (payload.Input, error) {
	in, err := a.Input(refs, body, maps.Clone(headers), now)
	maps.Copy(in.Headers, in.Context.Headers)
	in.Context.Headers = nil
	for _, name := range slices.Sorted(maps.Keys(query)) {
		in.Context.Query = strings.TrimPrefix(in.Context.Query+"&"+name+"="+url.QueryEscape(query[name]), "&")
	}
	return in, err
}

// NameOf returns the preset's name for the secret with a full name.
func NameOf(secret string) string { return strings.TrimPrefix(secret, place) }
