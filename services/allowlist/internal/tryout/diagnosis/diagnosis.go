// Package diagnosis finds out in which variant of a profile a message holds a plaintext
// that is known, byte for byte, or its signature verifies.
//
// # What it tells
//
// It answers with a variant, or that there is none, and with nothing else: not how far a
// variant came, not whether a tag or a padding was right. So who does not know the whole
// plaintext learns that this was not it, and no more; and who does not have a message with its
// whole signature learns nothing of any. No signature is made that leaves. How many variants are tried depends
// on the profile and on the message as it was sent, not on what is encrypted in it.
//
// # Variants
//
// A variant is a profile with changes: what a partner may mean who says that a
// message is encrypted as the profile has it, and whose message does not open. Most
// misunderstandings are about one setting, such as hexadecimal for base64, a tag in front
// or MGF1 with SHA-1; some are about two.
//
// [variantsOf] is for messages that do not open, and [signatureVariants] for those whose
// signature does not verify. A variant may also read the body of the message in another form.
// The variants know nothing of keys. They look at a message only to see which characters it
// could be split at, which forms its body has, and which of its headers could be meant.
// Whether a variant makes sense the compiler says.
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
	// maxVariants is how many variants are tried.
	maxVariants = 2000
	// effort is how much time they may take, by estimate.
	effort = 2 * time.Second
)

// A Case is a message that does not open.
type Case struct {
	// Path is where the profile stands, `request` or `response`.
	Path      string
	Profile   *allowlistv1.Profile
	Workspace string
	Now       time.Time
	Body      []byte
	Headers   payload.Headers
	// Plaintext is what it is known to hold.
	Plaintext []byte
	// Signature looks for the variant under which the signature verifies instead. Context and
	// ContentType are what it covers besides.
	Signature   bool
	Context     payload.Context
	ContentType string
	// Turn returns where a slow variant waits.
	Turn func() slowwork.Turn
	// Late reports whether it takes too long already; nil: it never does.
	Late func() bool
	// Sealed are the secrets whose purpose is sealed and that no variant may use for another.
	Sealed map[string]bool
	// Key returns the versions of a key, the newest first; none if it is not to be had.
	Key func(payload.Reference) []payload.Key
}

// An Answer is what was found.
type Answer struct {
	// Found says that a variant opens the message to exactly the plaintext, or that the
	// signature verifies under it.
	Found bool
	// Differences are those of the variant, none if the profile itself opens it.
	Differences []Difference
	// Tried is how many variants were tried.
	Tried int
	// Unusable are the keys that no variant can use. If there are any, none was tried.
	Unusable []payload.Fit
}

// Find tries the variants of a profile, the likelier first, until one opens the message,
// the effort is spent, it is late or the context ends.
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

// variants returns what is tried.
func (c Case) variants() iter.Seq[variant] {
	if c.Signature {
		return signatureVariants(c.Path, c.Profile, c.Body, c.Headers)
	}
	return variantsOf(c.Path, c.Profile, c.Body)
}

// prepare compiles a variant and collects its keys. What does not compile makes no sense.
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

// keepsPurposes reports whether a variant uses no key whose purpose is sealed for another.
func (c Case) keepsPurposes(profile *allowlistv1.Profile) bool {
	configured := payload.ProfilePurposes(c.Profile)
	for secret, purpose := range payload.ProfilePurposes(profile) {
		if c.Sealed[secret] && purpose.Chains != configured[secret].Chains {
			return false
		}
	}
	return true
}

// fits reports whether a variant opens the message to the plaintext, or verifies its
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

// verifies reports whether the signature of a message verifies. Of a variant for any time it
// says how far off the time is.
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

// acknowledge accepts all unsafe choices of a variant: the partner has made them.
func acknowledge(profile *allowlistv1.Profile, now time.Time) {
	profile.AllowLegacy = nil
	for _, flag := range payload.UnsafeChoices(profile) {
		profile.AllowLegacy = append(profile.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
			Flag: flag, Reason: "a diagnosis", ExpireTime: timestamppb.New(now.Add(time.Hour)),
		})
	}
}
