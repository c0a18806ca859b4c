package snippet

import allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"

// KeyBytes returns the length of the key of a cipher.
func KeyBytes(a allowlistv1.Cipher_Algorithm) int {
	switch a {
	case allowlistv1.Cipher_ALGORITHM_AES_128_GCM, allowlistv1.Cipher_ALGORITHM_AES_128_CBC,
		allowlistv1.Cipher_ALGORITHM_AES_128_CTR, allowlistv1.Cipher_ALGORITHM_AES_128_ECB:
		return 16
	case allowlistv1.Cipher_ALGORITHM_AES_192_GCM, allowlistv1.Cipher_ALGORITHM_AES_192_CBC,
		allowlistv1.Cipher_ALGORITHM_AES_192_CTR, allowlistv1.Cipher_ALGORITHM_AES_192_ECB,
		allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_CBC, allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_ECB:
		return 24
	default:
		return 32
	}
}

// IVBytes returns the length of a cipher's IV, 0 if it has none.
func IVBytes(c *allowlistv1.Cipher) int {
	if n := int(c.GetIv().GetBytes()); n != 0 {
		return n
	}
	switch c.GetAlgorithm() {
	case allowlistv1.Cipher_ALGORITHM_AES_128_ECB, allowlistv1.Cipher_ALGORITHM_AES_192_ECB,
		allowlistv1.Cipher_ALGORITHM_AES_256_ECB, allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_ECB:
		return 0
	case allowlistv1.Cipher_ALGORITHM_AES_128_GCM, allowlistv1.Cipher_ALGORITHM_AES_192_GCM,
		allowlistv1.Cipher_ALGORITHM_AES_256_GCM, allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305:
		return 12
	case allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_CBC:
		return 8
	default:
		return 16
	}
}

// ContentKeyBytes returns the length of the content key of a JWE.
func ContentKeyBytes(e allowlistv1.Jose_ContentEncryption) int {
	switch e {
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A128GCM:
		return 16
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A192GCM:
		return 24
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A192CBC_HS384:
		return 48
	case allowlistv1.Jose_CONTENT_ENCRYPTION_A256CBC_HS512:
		return 64
	default:
		return 32
	}
}
