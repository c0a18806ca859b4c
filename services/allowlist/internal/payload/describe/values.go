package describe

import (
	"crypto"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/keyform"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The placeholders of JOSE headers.
const (
	PublicKeyPlaceholder   = "${public_key_sha256}"
	CertificatePlaceholder = "${certificate_sha256}"
)

// Mirrored returns the profile of a response that is not configured: the profile of the request
// without its signing.
func Mirrored(request *allowlistv1.Profile) *allowlistv1.Profile {
	unsigned := proto.CloneOf(request)
	if unsigned != nil {
		unsigned.Signing = nil
	}
	return unsigned
}

// DecodingOf returns how the stored bytes of a reference are decoded to the key.
func DecodingOf(ref *allowlistv1.SecretRef) keyform.Decoding {
	switch ref.GetDecoding() {
	case allowlistv1.Decoding_DECODING_HEX:
		return keyform.Hex
	case allowlistv1.Decoding_DECODING_BASE64:
		return keyform.Base64
	case allowlistv1.Decoding_DECODING_BASE64URL:
		return keyform.Base64URL
	case allowlistv1.Decoding_DECODING_WHSEC:
		return keyform.Whsec
	case allowlistv1.Decoding_DECODING_PEM:
		return keyform.PEM
	default:
		return keyform.Raw
	}
}

// name returns the contract's name of an enum value, without its prefix.
func name(value fmt.Stringer, prefix string) string {
	return strings.TrimPrefix(value.String(), prefix)
}

// Hash returns a hash function. The parameter unset is the default.
func Hash(pb allowlistv1.Hash, unset crypto.Hash) crypto.Hash {
	switch pb {
	case allowlistv1.Hash_HASH_MD5:
		return crypto.MD5
	case allowlistv1.Hash_HASH_SHA1:
		return crypto.SHA1
	case allowlistv1.Hash_HASH_SHA256:
		return crypto.SHA256
	case allowlistv1.Hash_HASH_SHA384:
		return crypto.SHA384
	case allowlistv1.Hash_HASH_SHA512:
		return crypto.SHA512
	default:
		return unset
	}
}

// MACHash returns the hash of an HMAC. It is SHA-256 for an unknown algorithm.
func MACHash(a allowlistv1.Mac_Algorithm) crypto.Hash {
	switch a {
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA1:
		return crypto.SHA1
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA384:
		return crypto.SHA384
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA512:
		return crypto.SHA512
	case allowlistv1.Mac_ALGORITHM_HMAC_MD5:
		return crypto.MD5
	default:
		return crypto.SHA256
	}
}

// OAEPOf returns the options of RSAES-OAEP, or nil.
func OAEPOf(pb *allowlistv1.RsaOaep) *keys.OAEP {
	if pb == nil {
		return nil
	}
	return &keys.OAEP{Hash: Hash(pb.GetHash(), crypto.SHA256), MGF1: Hash(pb.GetMgf1Hash(), 0), Label: pb.GetLabel()}
}

// EncodingOf returns an encoding. The parameter unset is the default.
func EncodingOf(pb allowlistv1.Encoding, unset template.Encoding) template.Encoding {
	switch pb {
	case allowlistv1.Encoding_ENCODING_HEX:
		return template.Hex
	case allowlistv1.Encoding_ENCODING_BASE64:
		return template.Base64
	case allowlistv1.Encoding_ENCODING_BASE64URL:
		return template.Base64URL
	case allowlistv1.Encoding_ENCODING_HEX_UPPER:
		return template.HexUpper
	case allowlistv1.Encoding_ENCODING_RAW:
		return template.Raw
	case allowlistv1.Encoding_ENCODING_BASE64_MIME:
		return template.Base64MIME
	case allowlistv1.Encoding_ENCODING_BASE64_PERCENT:
		return template.Base64Percent
	default:
		return unset
	}
}

// signingOf describes the signature of a message.
func signingOf(pb *allowlistv1.Signing) *Signing {
	s := &Signing{BeforeEncryption: pb.GetBeforeEncryption(), Config: signature.Config{
		Input: pb.GetInput(), InputExpression: pb.GetInputExpression(), Values: pb.GetValues(), Constants: pb.GetConstants(),
		Claims: pb.GetClaims(), Headers: pb.GetHeaders(), QueryParameters: pb.GetQueryParameters(), FormFields: pb.GetFormFields(),
		BodyMembers: pb.GetBodyMembers(), Encoding: EncodingOf(pb.GetEncoding(), template.Hex),
	}}
	if list := pb.GetList(); list != nil {
		s.List = &signature.List{Item: list.GetItem(), Separator: list.GetSeparator()}
	}
	switch scheme := pb.GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		s.Hash, s.Shared = MACHash(scheme.Mac.GetAlgorithm()), true
		s.Scheme, s.Algorithm = signature.NewHMAC(s.Hash), name(scheme.Mac.GetAlgorithm(), "ALGORITHM_")
	case *allowlistv1.Signing_SecretDigest:
		s.Hash, s.Shared = Hash(scheme.SecretDigest.GetHash(), crypto.SHA256), true
		s.Scheme, s.Algorithm = signature.SecretDigest{Hash: s.Hash}, name(scheme.SecretDigest.GetHash(), "HASH_")
		s.SecretDigest = true
	case *allowlistv1.Signing_Asymmetric:
		s.Scheme, s.Algorithm = asymmetric(scheme.Asymmetric.GetAlgorithm()), name(scheme.Asymmetric.GetAlgorithm(), "ALGORITHM_")
		switch made := s.Scheme.(type) {
		case signature.RSA:
			s.Hash = made.Hash
		case signature.ECDSA:
			s.Hash = made.Hash
		}
	case *allowlistv1.Signing_Jws:
		jws := JWSOf(scheme.Jws)
		s.JWS, s.Shared, s.Scheme = &jws, jws.KeyBytes() > 0, signature.JWS{JWS: jws}
	case *allowlistv1.Signing_EncryptedDigest:
		s.Shared, s.Scheme = true, signature.EncryptedDigest{IV: scheme.EncryptedDigest.GetIv()}
		s.Algorithm, s.Hash = "AES_128_CBC_SHA256", crypto.SHA256
	case *allowlistv1.Signing_Computed:
		s.Computed, s.Shared, s.Scheme = true, true, signature.Computed{}
	}
	s.Strings, _ = signature.ParseStrings(s.Config)
	return s
}

// asymmetric returns the scheme of an algorithm, or nil if it is unknown.
func asymmetric(a allowlistv1.Asymmetric_Algorithm) signature.Scheme {
	switch a {
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256:
		return signature.RSA{Hash: crypto.SHA256}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA384:
		return signature.RSA{Hash: crypto.SHA384}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512:
		return signature.RSA{Hash: crypto.SHA512}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA1:
		return signature.RSA{Hash: crypto.SHA1}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256:
		return signature.RSA{Hash: crypto.SHA256, PSS: true}
	case allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA512:
		return signature.RSA{Hash: crypto.SHA512, PSS: true}
	case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER:
		return signature.ECDSA{Hash: crypto.SHA256}
	case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363:
		return signature.ECDSA{Hash: crypto.SHA256, P1363: true}
	case allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER:
		return signature.ECDSA{Hash: crypto.SHA384}
	case allowlistv1.Asymmetric_ALGORITHM_ED25519:
		return signature.Ed25519{}
	}
	return nil
}

// curveOf returns the algorithm of the keys that sign a hash with ECDSA.
func curveOf(hash crypto.Hash) string {
	if hash == crypto.SHA384 {
		return "EC-P384"
	}
	return "EC-P256"
}

// JWSOf returns the options of a JSON Web Signature, whose algorithm may be unknown.
func JWSOf(pb *allowlistv1.Jws) jose.JWS {
	return jose.JWS{
		Alg:    joseName(pb.GetAlgorithm().String(), "ALGORITHM_"),
		Header: pb.GetHeader(), IssuedAt: issuedAt(pb.GetIssuedAt()), Unencoded: pb.GetUnencodedPayload(),
	}
}

// serializationOf returns the form of a nested JSON Web Signature.
func serializationOf(pb allowlistv1.NestedJws_Serialization) jose.Serialization {
	switch pb {
	case allowlistv1.NestedJws_SERIALIZATION_JSON:
		return jose.Flattened
	case allowlistv1.NestedJws_SERIALIZATION_JSON_HEADER:
		return jose.FlattenedHeader
	default:
		return jose.Compact
	}
}

// jweOf describes a JSON Web Encryption.
func jweOf(path string, pb *allowlistv1.Jose) *JWE {
	j := &JWE{JWE: jose.JWE{
		Alg: joseName(pb.GetKeyManagement().String(), "KEY_MANAGEMENT_"), Enc: joseName(pb.GetContentEncryption().String(), "CONTENT_ENCRYPTION_"),
		Header: pb.GetHeader(), IssuedAt: issuedAt(pb.GetIssuedAt()),
		GCMIVBytes: int(pb.GetCompatibility().GetGcmIvBytes()), Lenient: pb.GetCompatibility().GetLenientBase64(),
		Compress: pb.GetCompress(),
	}, General: pb.GetCompatibility().GetSeveralRecipients(), Derivation: derivationOf(path+".derivation", pb.GetDerivation())}
	if j.Derivation != nil {
		j.Derivation.KeyBytes = max(1, j.KeyBytes())
		j.Derivation.Bytes = j.Derivation.KeyBytes
	}
	return j
}

// SharedJose reports whether both sides share the key of a key management algorithm, which is
// named as in RFC 7518.
func SharedJose(alg string) bool {
	return !strings.HasPrefix(alg, "RSA") && !strings.HasPrefix(alg, "ECDH")
}

// joseName returns the RFC 7518 name of an algorithm.
func joseName(name, prefix string) string {
	name = strings.TrimPrefix(name, prefix)
	switch name {
	case "DIR":
		return "dir"
	case "ECDH_ES_A256KW", "ECDH_ES_A128KW":
		return "ECDH-ES+" + strings.TrimPrefix(name, "ECDH_ES_")
	case "RSA1_5":
		return name
	case "EDDSA":
		return "EdDSA"
	}
	return strings.ReplaceAll(name, "_", "-")
}

func issuedAt(pb allowlistv1.IssuedAt) jose.IssuedAt {
	switch pb {
	case allowlistv1.IssuedAt_ISSUED_AT_SECONDS:
		return jose.Seconds
	case allowlistv1.IssuedAt_ISSUED_AT_MILLISECONDS:
		return jose.Milliseconds
	default:
		return jose.NoTime
	}
}

// HoldsFingerprint reports whether any member of a JOSE header contains the fingerprint of a key.
func HoldsFingerprint(header map[string]string) bool {
	for _, value := range header {
		if strings.Contains(value, PublicKeyPlaceholder) || strings.Contains(value, CertificatePlaceholder) {
			return true
		}
	}
	return false
}
