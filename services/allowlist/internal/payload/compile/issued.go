package compile

import (
	"fmt"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// Issued is a value of responses that becomes a version of a secret.
type Issued struct {
	// Secret is the resource name of the secret.
	Secret string
	Path   jsonbytes.Path
}

// issued checks the values that the partner issues. The plan is that of responses.
func (f *Violations) issued(pb *allowlistv1.Encryption, response *describe.Profile, plan *Plan) []Issued {
	if len(pb.GetIssued()) == 0 {
		return nil
	}
	switch profile := pb.GetResponse(); {
	case profile == nil:
		f.Add(root+".response", "is required with issued values")
		return nil
	case !response.Encrypts():
		f.Add(root+".response", "must be encrypted: a sender receives responses before they are decrypted, and must not see issued values")
	case profile.GetSelection().GetForm() != nil:
		f.Add(root+".response.selection.form", "must be unset with issued values, which are in JSON")
	}
	var all []Issued
	for i, issued := range pb.GetIssued() {
		field := fmt.Sprintf("%s.issued[%d]", root, i)
		path, ok := jsonbytes.ParsePath(issued.GetPath())
		switch {
		case !ok || !path.Exact():
			f.Add(field+".path", "must be a path of at most 256 bytes: $ and then .name, ['name'] or [index]")
			continue
		case !plan.Whole && plan.Selection != nil && !plan.Selection.Covers(path):
			f.Add(field+".path", "must be the path of an encrypted value, or be inside one")
		}
		if issued.GetSecret().GetVersion() != 0 {
			f.Add(field+".secret.version", "must be unset: an issued value becomes the next version")
		}
		for j, other := range all {
			if path.Overlaps(other.Path) {
				f.Add(field+".path", fmt.Sprintf("must not be, contain, or be inside the place of issued[%d]", j))
			}
			if issued.GetSecret().GetName() == other.Secret {
				f.Add(field+".secret", fmt.Sprintf("must not be the secret of issued[%d]", j))
			}
		}
		all = append(all, Issued{Secret: issued.GetSecret().GetName(), Path: path})
	}
	return all
}
