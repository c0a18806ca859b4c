// Package diagnosis finds the variant of a profile under which a message decrypts to a known
// plaintext, byte for byte, or under which its signature verifies.
//
// # Guarantees
//
// An answer is a variant, or says that no variant fits, and nothing else: not how far a variant
// came, and not whether a tag or padding was right. So a caller without the whole plaintext
// learns only that its guess was wrong, and a caller without a message and its whole signature
// learns nothing about any signature. No generated signature leaves the package. The number of
// tried variants depends on the profile and on the message as it was sent, not on its encrypted
// content.
//
// # Variants
//
// A variant is a profile with changes: a configuration that a partner may mean when it claims to
// use the profile, but its message fails to decrypt. Most misunderstandings concern one setting,
// such as hexadecimal for base64, a tag before the ciphertext, or MGF1 with SHA-1. Some concern
// two.
//
// [variantsOf] is for messages that fail to decrypt, and [signatureVariants] for messages whose
// signature does not verify. A variant may also read the body of the message in another form.
// The variants do not depend on keys. They depend on a message only for the characters at which
// it could be split, the forms of its body, and the headers that could be meant. The compiler
// decides whether a variant is valid.
package diagnosis

import (
	"context"
	"crypto/subtle"
	"fmt"
	"iter"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

const (
	// maxVariants is the maximum number of tried variants.
	maxVariants = 2000
	// effort is the maximum estimated time of all variants.
	effort = 2 * time.Second
)

// A Case is a message that fails to decrypt or to verify.
type Case struct {
	// Path is the field of the profile, `request` or `response`.
	Path      string
	Profile   *allowlistv1.Profile
	Workspace string
	Now       time.Time
	Body      []byte
	Headers   payload.Headers
	// Plaintext is the known plaintext of the message.
	Plaintext []byte
	// Signature looks for the variant under which the signature verifies instead. Context and
	// ContentType are other data that it covers.
	Signature   bool
	Context     payload.Context
	ContentType string
	// Turn returns the turn in which a slow variant waits.
	Turn func() slowwork.Turn
	// Late reports whether the search has taken too long. Nil means never.
	Late func() bool
	// Sealed are the secrets whose purpose is sealed, and which no variant may use for another
	// purpose.
	Sealed map[string]bool
	// Key returns the versions of a key, the newest first, or nothing if the key is unavailable.
	Key func(payload.Reference) []payload.Key
}

// An Answer is the result of a search.
type Answer struct {
	// Found says that a variant decrypts the message to exactly the plaintext, or that the
	// signature verifies under it.
	Found bool
	// Differences are the changes of the variant, or nil if the profile itself decrypts the
	// message.
	Differences []Difference
	// Tried is the number of tried variants.
	Tried int
	// Unusable are the keys that no variant can use. If there are any, no variant was tried.
	Unusable []payload.Fit
}

// Find tries the variants of a profile, the likelier ones first, until one fits, the effort is
// spent, Late reports true, or the context ends.
func Find(ctx context.Context, c Case) Answer {
	var answer Answer
	left := effort
	for v := range c.variants() {
		cost := costOf(describe.Of(c.Path, v.Profile), len(v.Body))
		if cost > left {
			continue // a cheaper one may follow
		}
		pipeline, keys, ok := c.prepare(v.Profile)
		if !ok {
			continue
		}
		if answer.Tried == maxVariants || ctx.Err() != nil || c.Late != nil && c.Late() {
			break
		}
		answer.Tried++
		left -= cost
		if c.fits(pipeline, keys, &v) {
			answer.Found, answer.Differences = true, v.Differences
			return answer
		}
	}
	return answer
}

// variants returns the variants to try.
func (c Case) variants() iter.Seq[variant] {
	if c.Signature {
		return signatureVariants(c.Path, c.Profile, c.Body, c.Headers)
	}
	return variantsOf(c.Path, c.Profile, c.Body)
}

// prepare compiles a variant and collects its keys. It reports false for a variant that does not
// compile.
func (c Case) prepare(profile *allowlistv1.Profile) (*payload.Pipeline, payload.Keys, bool) {
	acknowledge(profile, c.Now)
	config, err := payload.Variant(&allowlistv1.Encryption{Request: profile}, c.Workspace, c.Now)
	if err != nil {
		return nil, nil, false
	}
	pipeline := config.Pipeline(payload.Request)
	if pipeline.ShowsKey() || !c.keepsPurposes(profile) {
		return nil, nil, false
	}
	refs := pipeline.DecryptReferences()
	if c.Signature {
		refs = pipeline.VerifyReferences()
	}
	keys := make(payload.Keys, len(refs))
	for i, ref := range refs {
		keys[i] = c.Key(ref)
		if len(keys[i]) == 0 {
			return nil, nil, false
		}
		if !ref.Previous {
			keys[i] = keys[i][:1]
		}
	}
	return pipeline, keys, true
}

// keepsPurposes reports whether a variant uses no key whose purpose is sealed for another
// purpose.
func (c Case) keepsPurposes(profile *allowlistv1.Profile) bool {
	configured := payload.ProfilePurposes(c.Profile)
	for secret, purpose := range payload.ProfilePurposes(profile) {
		if c.Sealed[secret] && purpose.Chains != configured[secret].Chains {
			return false
		}
	}
	return true
}

// fits reports whether a variant decrypts the message to the plaintext, or verifies its
// signature.
func (c Case) fits(pipeline *payload.Pipeline, keys payload.Keys, v *variant) bool {
	in := payload.Input{
		Now: c.Now, Keys: keys, Body: v.Body, Headers: c.Headers, Context: c.Context, ContentType: c.ContentType, Turn: c.Turn(),
	}
	if c.Signature {
		return c.verifies(pipeline, in, v)
	}
	out, err := pipeline.Decrypt(in)
	if err != nil {
		return false
	}
	defer clear(out.Body)
	return subtle.ConstantTimeCompare(out.Body, c.Plaintext) == 1
}

// verifies reports whether the signature of a message verifies. For a variant that accepts any
// time, it records how far off the time is.
func (c Case) verifies(pipeline *payload.Pipeline, in payload.Input, v *variant) bool {
	out, err := pipeline.Verify(in)
	if err != nil {
		return false
	}
	clear(out.Exchange.Key)
	clear(out.Exchange.IV)
	compared := c.Context.Time
	if compared.IsZero() {
		compared = c.Now
	}
	for i, d := range v.Differences {
		if strings.HasSuffix(d.Field, toleranceField) && !out.Time.IsZero() {
			off := compared.Sub(out.Time).Abs().Truncate(time.Second) + time.Second
			v.Differences[i].Works = fmt.Sprintf("%v, or the time of the message in context.time", off)
		}
	}
	return true
}

// acknowledge accepts all unsafe choices of a variant, because the partner has made them.
func acknowledge(profile *allowlistv1.Profile, now time.Time) {
	profile.AllowLegacy = nil
	payload.Acknowledge(profile, "a diagnosis", timestamppb.New(now.Add(time.Hour)))
}
