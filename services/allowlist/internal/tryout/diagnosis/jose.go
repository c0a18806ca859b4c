package diagnosis

import (
	"fmt"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// managements returns the groups of key management algorithms that work with the same key.
func managements() [][]allowlistv1.Jose_KeyManagement {
	return [][]allowlistv1.Jose_KeyManagement{
		{
			allowlistv1.Jose_KEY_MANAGEMENT_RSA_OAEP_256, allowlistv1.Jose_KEY_MANAGEMENT_RSA_OAEP, allowlistv1.Jose_KEY_MANAGEMENT_RSA1_5,
		},
		{
			allowlistv1.Jose_KEY_MANAGEMENT_DIR, allowlistv1.Jose_KEY_MANAGEMENT_A256KW, allowlistv1.Jose_KEY_MANAGEMENT_A128KW,
			allowlistv1.Jose_KEY_MANAGEMENT_A256GCMKW, allowlistv1.Jose_KEY_MANAGEMENT_A128GCMKW,
		},
		{
			allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES, allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A256KW, allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A128KW,
		},
	}
}

// jose adds the other algorithms of a JWE, and the common deviations of peers from the RFC.
func (c *collector) jose() {
	j := c.profile.GetJose()
	if j == nil {
		return
	}
	const prefix = "KEY_MANAGEMENT_"
	configured := name(j.GetKeyManagement(), prefix, "")
	for _, alike := range managements() {
		for _, has := range alike {
			if has != j.GetKeyManagement() {
				continue
			}
			for _, m := range alike {
				if m != has {
					c.add("key management", "jose.key_management", configured, name(m, prefix, ""), func(p *allowlistv1.Profile) { p.GetJose().KeyManagement = m })
				}
			}
		}
	}
	const contentPrefix = "CONTENT_ENCRYPTION_"
	content := name(j.GetContentEncryption(), contentPrefix, "")
	for e := allowlistv1.Jose_CONTENT_ENCRYPTION_A128GCM; e <= allowlistv1.Jose_CONTENT_ENCRYPTION_A256CBC_HS512; e++ {
		if works := name(e, contentPrefix, ""); works != content {
			c.add("content encryption", "jose.content_encryption", content, works, func(p *allowlistv1.Profile) {
				p.GetJose().ContentEncryption = e
				if e >= allowlistv1.Jose_CONTENT_ENCRYPTION_A128CBC_HS256 && p.GetJose().GetCompatibility() != nil {
					p.GetJose().GetCompatibility().GcmIvBytes = 0
				}
			})
		}
	}
	was := j.GetCompatibility()
	c.addAll("compatibility", func(p *allowlistv1.Profile) {
		p.GetJose().Compatibility = &allowlistv1.JoseCompatibility{GcmIvBytes: 16, LenientBase64: true, SeveralRecipients: was.GetSeveralRecipients()}
	}, c.difference("jose.compatibility.gcm_iv_bytes", fmt.Sprint(max(12, was.GetGcmIvBytes())), "16"),
		c.difference("jose.compatibility.lenient_base64", fmt.Sprint(was.GetLenientBase64()), "true"))
	if !was.GetLenientBase64() {
		c.add("compatibility", "jose.compatibility.lenient_base64", "false", "true", func(p *allowlistv1.Profile) {
			p.GetJose().Compatibility = &allowlistv1.JoseCompatibility{
				GcmIvBytes: was.GetGcmIvBytes(), LenientBase64: true, SeveralRecipients: was.GetSeveralRecipients(),
			}
		})
	}
	c.add("compression", "jose.compress", fmt.Sprint(j.GetCompress()), fmt.Sprint(!j.GetCompress()), func(p *allowlistv1.Profile) {
		p.GetJose().Compress = !j.GetCompress()
	})
}

// nested adds the other algorithms and serializations of the signatures that hold their payload, and
// no signature inside.
func (c *collector) nested() {
	c.around("outer_jws", c.profile.GetOuterJws(), (*allowlistv1.Profile).GetOuterJws)
	nested := c.profile.GetNestedJws()
	if nested == nil {
		return
	}
	if c.profile.GetKind() != nil {
		c.add("nested_jws", "nested_jws", "given", "none", func(p *allowlistv1.Profile) { p.NestedJws = nil })
	}
	c.around("nested_jws", nested, (*allowlistv1.Profile).GetNestedJws)
	const prefix = "SERIALIZATION_"
	configured := name(nested.GetSerialization(), prefix, "COMPACT")
	for _, s := range []allowlistv1.NestedJws_Serialization{
		allowlistv1.NestedJws_SERIALIZATION_COMPACT, allowlistv1.NestedJws_SERIALIZATION_JSON, allowlistv1.NestedJws_SERIALIZATION_JSON_HEADER,
	} {
		c.add("serialization", "nested_jws.serialization", configured, name(s, prefix, ""), func(p *allowlistv1.Profile) {
			if p.GetNestedJws() != nil {
				p.GetNestedJws().Serialization = s
			}
		})
	}
}

// around adds the other algorithms of a signature at a field.
func (c *collector) around(field string, jws *allowlistv1.NestedJws, of func(*allowlistv1.Profile) *allowlistv1.NestedJws) {
	if jws == nil {
		return
	}
	const prefix = "ALGORITHM_"
	configured := name(jws.GetJws().GetAlgorithm(), prefix, "")
	for a := allowlistv1.Jws_ALGORITHM_RS256; int(a) < len(allowlistv1.Jws_Algorithm_name); a++ {
		if works := name(a, prefix, ""); works != configured && sameKey(works, configured) {
			c.add(field, field+".jws.algorithm", configured, works, func(p *allowlistv1.Profile) {
				if signed := of(p); signed != nil {
					signed.GetJws().Algorithm = a
				}
			})
		}
	}
}

// sameKey reports whether two algorithms of RFC 7518 work with the same key.
func sameKey(a, b string) bool {
	isRSA := func(name string) bool { return name[:2] == "RS" || name[:2] == "PS" }
	return isRSA(a) && isRSA(b) || a[:2] == "HS" && b[:2] == "HS"
}
