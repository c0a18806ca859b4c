package tryout

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
	"github.com/keyward/keyward/services/allowlist/internal/tryout/snippet"
)

// A Sample is a message to test a configuration with.
type Sample struct {
	Config      *payload.Config
	Direction   payload.Direction
	Now         time.Time
	Body        []byte
	ContentType string
	Context     payload.Context
	// Turn and Nonces are as in [payload.Input]. Throwaway keys are not counted.
	Turn   slowwork.Turn
	Nonces payload.Nonces
}

// A Result is the outcome of a dry run.
type Result struct {
	payload.Output
	Steps []Step
	// Opened reports whether our own decryption restored the sample.
	Opened bool
	// Keys and Programs are set with throwaway keys only.
	Keys     []snippet.Key
	Programs []snippet.Program
}

// DryRun tests a configuration with generated keys. It fails like [payload.Pipeline.Encrypt].
func DryRun(s Sample) (Result, error) {
	s.Nonces = payload.Uncounted
	profile := s.profile()
	made, err := makeKeys(rand.Reader, s.Now, profile)
	if err != nil {
		return Result{}, err
	}
	exchange, ofExchange, err := makeExchange(profile)
	if err != nil {
		return Result{}, err
	}
	made = append(made, ofExchange...)
	r := recorder{values: true}
	out, err := s.encrypt(keysFor(made), exchange, r.record)
	if err != nil {
		return Result{}, err
	}
	defer wipe(out.Exchange)
	result := Result{Output: out, Steps: r.steps, Keys: made}
	result.Opened = s.opens(out, keysFor(made), exchange)
	at := s.Context
	at.Time, at.ID = out.Time, out.ID
	result.Programs = snippet.Programs(snippet.Message{
		Profile: profile, Keys: made, Body: out.Body, Headers: out.Headers, Query: out.Query, ContentType: s.contentType(out), Context: at,
	})
	return result, nil
}

// LiveDryRun tests a configuration with the keys that resolve returns for references. It fails
// like [payload.Pipeline.Encrypt]. If only the partner has the private key, so that we cannot
// decrypt the message, it skips decryption.
func LiveDryRun(s Sample, resolve func([]payload.Reference) (payload.Keys, error)) (Result, error) {
	exchange, _, err := makeExchange(s.profile())
	if err != nil {
		return Result{}, err
	}
	if exchange != nil {
		defer wipe(*exchange)
	}
	pipeline := s.Config.Pipeline(s.Direction)
	keys, err := resolve(pipeline.EncryptReferences())
	if err != nil {
		return Result{}, err
	}
	r := new(recorder)
	out, err := s.encrypt(given(keys), exchange, r.record)
	if err != nil {
		return Result{}, err
	}
	defer wipe(out.Exchange)
	if keys, err = resolve(pipeline.DecryptReferences()); err != nil {
		return Result{}, err
	}
	opened := s.opens(out, given(keys), exchange)
	return Result{Output: out, Steps: r.steps, Opened: opened}, nil
}

// A keySource returns keys for references.
type keySource func([]payload.Reference) payload.Keys

// keysFor returns throwaway keys for references, by field.
func keysFor(made []snippet.Key) keySource {
	return func(refs []payload.Reference) payload.Keys {
		keys := make(payload.Keys, len(refs))
		for i, ref := range refs {
			for _, key := range made {
				if key.Field == ref.Field {
					keys[i] = []payload.Key{{Value: sensitive.New(key.Stored), Version: 1}}
				}
			}
		}
		return keys
	}
}

// profile returns the profile of the sample's direction. A response without a profile uses the
// profile of the request without its signing.
func (s Sample) profile() *describe.Profile {
	request, response := describe.Directions(s.Config.Proto())
	if s.Direction == payload.Response {
		return response
	}
	return request
}

func (s Sample) input(keys payload.Keys, body []byte, exchange *payload.Exchange) payload.Input {
	return payload.Input{
		Now: s.Now, Keys: keys, Body: body, Context: s.Context, ContentType: s.ContentType, Exchange: exchange,
		Turn: s.Turn, Nonces: s.Nonces,
	}
}

func (s Sample) encrypt(keys keySource, exchange *payload.Exchange, trace payload.Trace) (payload.Output, error) {
	pipeline := s.Config.Pipeline(s.Direction)
	in := s.input(keys(pipeline.EncryptReferences()), s.Body, exchange)
	in.Trace = trace
	return pipeline.Encrypt(in)
}

func (s Sample) contentType(out payload.Output) string {
	if out.ContentType != "" {
		return out.ContentType
	}
	return s.ContentType
}

// opens reports whether our own decryption restores the sample.
func (s Sample) opens(out payload.Output, keys keySource, exchange *payload.Exchange) bool {
	opened, err := s.reopen(out, keys, exchange)
	if err != nil {
		return false
	}
	defer clear(opened.Body)
	defer wipe(opened.Exchange)
	return bytes.Equal(opened.Body, s.Body) || s.sameValues(opened.Body, keys, exchange)
}

// reopen decrypts the output for a sample.
func (s Sample) reopen(out payload.Output, keys keySource, exchange *payload.Exchange) (payload.Output, error) {
	pipeline := s.Config.Pipeline(s.Direction)
	in := s.input(keys(pipeline.DecryptReferences()), bytes.Clone(out.Body), exchange)
	in.ContentType, in.JSON = s.contentType(out), payload.IsJSON(s.ContentType)
	in.Context.Time, in.Context.ID = out.Time, out.ID
	in.Headers = make(payload.Headers, len(out.Headers))
	maps.Copy(in.Headers, s.Context.Headers)
	for _, h := range out.Headers {
		in.Headers[strings.ToLower(h.Name)] = h.Value
	}
	for _, q := range out.Query {
		in.Context.Query = strings.TrimPrefix(in.Context.Query+"&"+q.Name+"="+url.QueryEscape(q.Value), "&")
	}
	return pipeline.Decrypt(in)
}

// sameValues reports whether the selected values of a body equal those of the sample. If the
// profile seals strings, a value that is not a string comes back as one, and a form's value may
// be percent-encoded differently.
func (s Sample) sameValues(body []byte, keys keySource, exchange *payload.Exchange) bool {
	of := func(body []byte) (values [][]byte) {
		again := s
		again.Body = body
		out, err := again.encrypt(keys, exchange, func(stage, _ string, value []byte) {
			if stage == "select" {
				values = append(values, bytes.Clone(value))
			}
		})
		if err != nil {
			return nil
		}
		wipe(out.Exchange)
		return values
	}
	want, got := of(s.Body), of(body)
	same := len(want) == len(got) && len(want) > 0
	for i := range min(len(want), len(got)) {
		same = same && bytes.Equal(want[i], got[i])
		clear(want[i])
		clear(got[i])
	}
	return same
}

// makeExchange generates the parts of a request that its response needs, and also returns them
// as throwaway keys. It returns nil if the response needs nothing.
func makeExchange(profile *describe.Profile) (*payload.Exchange, []snippet.Key, error) {
	c := profile.Cipher
	if c == nil || c.Key != describe.KeyExchanged {
		return nil, nil, nil
	}
	e := &payload.Exchange{Key: make([]byte, c.Suite.Key), IV: make([]byte, c.IV.Bytes)}
	for _, part := range [][]byte{e.Key, e.IV} {
		if _, err := io.ReadFull(rand.Reader, part); err != nil {
			return nil, nil, fmt.Errorf("generate exchange: %w", err)
		}
	}
	return e, []snippet.Key{
		snippet.Exchanged(profile.Path+".cipher.exchange_key", e.Key), snippet.Exchanged(profile.Path+".cipher.iv", e.IV),
	}, nil
}

func wipe(e payload.Exchange) {
	clear(e.Key)
	clear(e.IV)
}
