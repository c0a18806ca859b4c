package compile

import (
	"crypto"

	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// cms checks and compiles a message of the Cryptographic Message Syntax.
func (c *profile) cms(path string) *kind.CMS {
	d := c.CMS
	made := &kind.CMS{Cipher: d.Cipher, Suite: d.Suite, Wrap: kind.RSAWrap{Oaep: d.OAEP}, Hash: d.Hash}
	transport := d.OAEP != nil || d.PKCS1v15
	switch {
	case d.Encrypts:
		made.Keys = c.sources("cms.keys", d.PKCS1v15)
		if d.Suite.Mode == symmetric.ModeNone {
			c.Add(path+".content_encryption", mustBeKnown)
		}
		if !transport {
			c.Add(path, "must have a key transport: rsa_oaep or rsa_pkcs1_v15")
		}
		if d.OAEP != nil {
			c.oaep(path+".rsa_oaep", d.OAEP)
		}
	case !d.Signs:
		c.Add(path, "must have keys, signing_keys or both")
	default:
		if c.pb.GetCms().GetContentEncryption() != 0 {
			c.Add(path+".content_encryption", "must be unset without keys")
		}
		if transport {
			c.Add(path, "must have no key transport without keys")
		}
	}
	if d.Signs {
		made.Signers = c.sources("cms.signing_keys", false)
	}
	switch {
	case !d.Signs && c.pb.GetCms().GetDigest() != 0:
		c.Add(path+".digest", "must be unset without signing_keys")
	case d.Hash == crypto.MD5:
		c.Add(path+".digest", mustBeHash)
	}
	return made
}
