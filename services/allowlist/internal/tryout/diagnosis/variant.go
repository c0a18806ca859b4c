package diagnosis

import (
	"bytes"
	"iter"
	"slices"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// A Difference is a changed setting of a variant.
type Difference struct {
	// Field is the path of the setting, such as `response.cipher.padding`.
	Field string
	// Configured is the value in the profile, and Works the value in the variant, such as
	// `PKCS7` and `ZERO`.
	Configured, Works string
}

// A variant is a profile with changes.
type variant struct {
	Profile *allowlistv1.Profile
	// Body is the body of the message as the variant reads it.
	Body        []byte
	Differences []Difference
}

// A change is one setting, or a few that only make sense together. A variant has at most one
// change of a group.
type change struct {
	group       string
	differences []Difference
	apply       func(*allowlistv1.Profile)
	// body replaces the body of the message, unless it is nil.
	body []byte
}

// variantsOf returns the variants of a profile at a path: the profile itself, then those with
// one change, the likelier ones first, then those with two. Signing is omitted because it does
// not affect decryption.
func variantsOf(path string, profile *allowlistv1.Profile, body []byte) iter.Seq[variant] {
	base := proto.CloneOf(profile)
	base.Signing = nil
	writeOut(base)
	return combined(base, body, changes(path, base, body))
}

// combined returns a profile, its variants with one change, and those with two.
func combined(base *allowlistv1.Profile, body []byte, all []change) iter.Seq[variant] {
	return func(yield func(variant) bool) {
		if !yield(with(base, body)) {
			return
		}
		for _, c := range all {
			if !yield(with(base, body, c)) {
				return
			}
		}
		// Pairs, ordered by how likely both changes are together.
		for sum := 1; sum < 2*len(all); sum++ {
			for i := max(0, sum-len(all)+1); i < sum-i; i++ {
				a, b := all[i], all[sum-i]
				if a.group != b.group && !yield(with(base, body, a, b)) {
					return
				}
			}
		}
	}
}

// with returns a variant of a profile with changes.
func with(base *allowlistv1.Profile, body []byte, changes ...change) variant {
	v := variant{Profile: proto.CloneOf(base), Body: body}
	for _, c := range changes {
		if c.body != nil {
			v.Body = c.body
		} else {
			c.apply(v.Profile)
		}
		v.Profile = proto.CloneOf(v.Profile) // variants share the values that a change sets, and the next change may modify them
		v.Differences = append(v.Differences, c.differences...)
	}
	return v
}

// changes returns the possible changes to a profile, the likelier ones first.
func changes(path string, p *allowlistv1.Profile, body []byte) []change {
	c := &collector{path: path, profile: p, described: describe.Of(path, p)}
	c.damages(body)
	c.decodings()
	c.asymmetric()
	c.encodings()
	c.layouts(body)
	c.lengths()
	c.derivations()
	c.values()
	c.cipher()
	c.jose()
	c.cms()
	c.nested()
	return c.all
}

// A collector collects the changes of a profile.
type collector struct {
	path      string
	profile   *allowlistv1.Profile
	described *describe.Profile
	all       []change
}

// add adds a change of one field.
func (c *collector) add(group, field, configured, works string, apply func(*allowlistv1.Profile)) {
	c.addAll(group, apply, c.difference(field, configured, works))
}

// addAll adds a change of several fields, without those that equal the configuration.
func (c *collector) addAll(group string, apply func(*allowlistv1.Profile), differences ...Difference) {
	differences = slices.DeleteFunc(differences, func(d Difference) bool { return d.Configured == d.Works })
	if len(differences) > 0 {
		c.all = append(c.all, change{group: group, differences: differences, apply: apply})
	}
}

// addBody adds another form of the body, unless it is the same.
func (c *collector) addBody(body, other []byte, works string) {
	same := func(known change) bool { return known.body != nil && bytes.Equal(known.body, other) }
	if len(other) > 0 && !bytes.Equal(body, other) && !slices.ContainsFunc(c.all, same) {
		c.all = append(c.all, change{group: "body", body: other, differences: []Difference{{Field: "body", Configured: "as sent", Works: works}}})
	}
}

func (c *collector) difference(field, configured, works string) Difference {
	return Difference{c.path + "." + field, configured, works}
}
