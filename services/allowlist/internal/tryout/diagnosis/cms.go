package diagnosis

import allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"

// cms adds the other ciphers and key transports of a CMS message.
func (c *collector) cms() {
	configured := c.profile.GetCms()
	if len(configured.GetKeys()) == 0 {
		return
	}
	const prefix = "CONTENT_ENCRYPTION_"
	for e := allowlistv1.Cms_CONTENT_ENCRYPTION_AES_128_CBC; e <= allowlistv1.Cms_CONTENT_ENCRYPTION_AES_256_GCM; e++ {
		c.add("content encryption", "cms.content_encryption", name(configured.GetContentEncryption(), prefix, ""), name(e, prefix, ""),
			func(p *allowlistv1.Profile) { p.GetCms().ContentEncryption = e })
	}
	c.paddings("cms", configured.GetRsaOaep(), func(p *allowlistv1.Profile, oaep *allowlistv1.RsaOaep) {
		d := p.GetCms()
		d.KeyTransport = &allowlistv1.Cms_RsaOaep{RsaOaep: oaep}
		if oaep == nil {
			d.KeyTransport = &allowlistv1.Cms_RsaPkcs1V15{RsaPkcs1V15: &allowlistv1.RsaPkcs1V15{}}
			d.Keys = d.GetKeys()[:1]
		}
	})
}
