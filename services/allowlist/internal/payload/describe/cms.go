package describe

import (
	"crypto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/cms"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// A CMS is a message of the Cryptographic Message Syntax.
type CMS struct {
	// Encrypts says that the content is encrypted, and Signs that it is signed inside.
	Encrypts, Signs bool
	// Cipher and Suite are the cipher of the content. They are zero for none and for an unknown one.
	Cipher cms.Cipher
	Suite  symmetric.Suite
	// Algorithm is the contract's name of the cipher, such as `AES_256_CBC`.
	Algorithm string
	// OAEP is nil for PKCS #1 v1.5, and if the key transport is missing.
	OAEP     *keys.OAEP
	PKCS1v15 bool
	// Hash is the digest of the signature. It defaults to SHA-256.
	Hash crypto.Hash
}

// cmsOf describes a message of the Cryptographic Message Syntax.
func cmsOf(pb *allowlistv1.Cms) *CMS {
	c := &CMS{
		Encrypts: len(pb.GetKeys()) > 0, Signs: len(pb.GetSigningKeys()) > 0,
		Algorithm: name(pb.GetContentEncryption(), "CONTENT_ENCRYPTION_"),
		OAEP:      OAEPOf(pb.GetRsaOaep()), PKCS1v15: pb.GetRsaPkcs1V15() != nil, Hash: Hash(pb.GetDigest(), crypto.SHA256),
	}
	var algorithm allowlistv1.Cipher_Algorithm
	switch pb.GetContentEncryption() {
	case allowlistv1.Cms_CONTENT_ENCRYPTION_AES_128_CBC:
		c.Cipher, algorithm = cms.AES128CBC, allowlistv1.Cipher_ALGORITHM_AES_128_CBC
	case allowlistv1.Cms_CONTENT_ENCRYPTION_AES_192_CBC:
		c.Cipher, algorithm = cms.AES192CBC, allowlistv1.Cipher_ALGORITHM_AES_192_CBC
	case allowlistv1.Cms_CONTENT_ENCRYPTION_AES_256_CBC:
		c.Cipher, algorithm = cms.AES256CBC, allowlistv1.Cipher_ALGORITHM_AES_256_CBC
	case allowlistv1.Cms_CONTENT_ENCRYPTION_TRIPLE_DES_CBC:
		c.Cipher, algorithm = cms.TripleDESCBC, allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_CBC
	case allowlistv1.Cms_CONTENT_ENCRYPTION_AES_128_GCM:
		c.Cipher, algorithm = cms.AES128GCM, allowlistv1.Cipher_ALGORITHM_AES_128_GCM
	case allowlistv1.Cms_CONTENT_ENCRYPTION_AES_256_GCM:
		c.Cipher, algorithm = cms.AES256GCM, allowlistv1.Cipher_ALGORITHM_AES_256_GCM
	}
	if algorithm != allowlistv1.Cipher_ALGORITHM_UNSPECIFIED {
		c.Suite = symmetric.SuiteOf(&allowlistv1.Cipher{Algorithm: algorithm})
	}
	return c
}
