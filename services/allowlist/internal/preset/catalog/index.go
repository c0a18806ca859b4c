package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// A group contains the presets of one use case. A preset belongs to the first group that it is in.
type group struct {
	title, meaning string
	holds          func(request *describe.Profile) bool
}

var groups = []group{
	{
		"Signatures and webhooks", "The body stays readable, and a signature proves where it comes from.",
		func(p *describe.Profile) bool { return !p.Protects() || p.Kind == describe.KindNone && p.Nested != nil },
	},
	{
		"JSON Web Encryption", "The body, or one value of it, is a JWE, with a JWS inside in some presets.",
		func(p *describe.Profile) bool { return p.Kind == describe.KindJWE },
	},
	{
		"Single values of a body", "Only some values of a JSON document or a form are encrypted.",
		func(p *describe.Profile) bool { return p.Selection().Part != describe.WholeBody },
	},
	{
		"A key pair of each side", "Each message is encrypted under a key of its own, which the receiver's key pair protects.",
		func(p *describe.Profile) bool {
			return p.Kind == describe.KindRSA || p.Kind == describe.KindCipher && p.Cipher.Key != describe.KeyShared
		},
	},
	{
		"A key that both sides share", "The whole body is encrypted under a key, or a passphrase, that both sides have.",
		func(p *describe.Profile) bool { return p.Kind == describe.KindCipher },
	},
	{
		"Other formats", "A format of its own protects the body.",
		func(*describe.Profile) bool { return true },
	},
}

// Index returns the tables of all presets by group, in Markdown.
func (c *Catalog) Index() string {
	all := c.library.List()
	slices.SortFunc(all, func(a, b *allowlistv1.Preset) int {
		return cmp.Compare(strings.ToLower(a.GetDisplayName()), strings.ToLower(b.GetDisplayName()))
	})
	rows := make([]strings.Builder, len(groups))
	for _, p := range all {
		request := describe.Of("request", p.GetEncryption().GetRequest())
		response := "as requests"
		if p.GetEncryption().GetResponse() != nil {
			response = does(describe.Of("response", p.GetEncryption().GetResponse()))
		}
		unsafe := "no"
		if len(p.GetLegacy()) > 0 {
			unsafe = "yes"
		}
		i := slices.IndexFunc(groups, func(g group) bool { return g.holds(request) })
		fmt.Fprintf(&rows[i], "| [%s](%s.md) | `%s` | %s | %s | %s |\n", cell(p.GetDisplayName()), p.GetId(), p.GetId(), does(request), response, unsafe)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "There are %d presets.\n", len(all))
	for i, g := range groups {
		if rows[i].Len() > 0 {
			fmt.Fprintf(&out, "\n### %s\n\n%s\n\n| preset | ID | requests | responses | unsafe choices |\n|---|---|---|---|---|\n%s", g.title, g.meaning, rows[i].String())
		}
	}
	return out.String()
}

// does says what a profile does with a message.
func does(p *describe.Profile) string {
	var verbs []string
	if p.Protects() && p.Kind != describe.KindNone {
		verbs = append(verbs, "encrypted")
	}
	if p.Signing != nil || p.Nested != nil || p.Outer != nil {
		verbs = append(verbs, "signed")
	}
	return cmp.Or(strings.Join(verbs, ", "), "unchanged")
}
