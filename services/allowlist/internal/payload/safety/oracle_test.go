package safety_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// ciphers calls f with each algorithm and each source of an IV, under each supply of keys.
func ciphers(f func(*allowlistv1.Cipher, bool)) {
	sent := &allowlistv1.Derivation{Salt: &allowlistv1.Salt{Source: &allowlistv1.Salt_SentBytes{SentBytes: 8}}}
	for algorithm := range allowlistv1.Cipher_Algorithm_name {
		for source := range allowlistv1.Iv_Source_name {
			for _, derivation := range []*allowlistv1.Derivation{nil, {}, sent} {
				for _, cipher := range []*allowlistv1.Cipher{
					{Key: &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{Derivation: derivation}}},
					{Key: &allowlistv1.Cipher_SessionKey{SessionKey: &allowlistv1.SessionKey{Derivation: derivation}}},
					{Key: &allowlistv1.Cipher_Ecdh{Ecdh: &allowlistv1.Ecdh{Derivation: derivation}}},
					{Key: &allowlistv1.Cipher_ExchangeKey{ExchangeKey: &allowlistv1.ExchangeKey{}}},
				} {
					cipher.Algorithm, cipher.Iv = allowlistv1.Cipher_Algorithm(algorithm), &allowlistv1.Iv{Source: allowlistv1.Iv_Source(source)}
					_, exchanged := cipher.GetKey().(*allowlistv1.Cipher_ExchangeKey)
					f(cipher, derivation == sent && !exchanged)
				}
			}
		}
	}
}

// safeSources and safeModes are the only sources and modes of a live test. All others are refused.
var (
	safeSources = map[allowlistv1.Iv_Source]bool{
		allowlistv1.Iv_SOURCE_UNSPECIFIED: true, allowlistv1.Iv_SOURCE_RANDOM: true, allowlistv1.Iv_SOURCE_RANDOM_TEXT: true,
	}
	safeModes = map[symmetric.Mode]bool{symmetric.ModeGCM: true, symmetric.ModeChaCha: true, symmetric.ModeCBC: true, symmetric.ModeCTR: true, symmetric.ModeCFB: true, symmetric.ModeOFB: true}
)

func TestLiveTestsAreForRandomIVsOnly(t *testing.T) {
	t.Parallel()
	ciphers(func(cipher *allowlistv1.Cipher, salted bool) {
		source := cipher.GetIv().GetSource()
		random := safeSources[source] || (source == allowlistv1.Iv_SOURCE_DERIVED || source == allowlistv1.Iv_SOURCE_SALT_SUFFIX) && salted
		want := !random || !safeModes[symmetric.SuiteOf(cipher).Mode]
		for _, mac := range []*allowlistv1.EncryptThenMac{nil, {}} {
			cipher.Mac = mac
			p := &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: cipher}}
			if got := safety.Oracle(describe.Of("request", p)); got != want {
				t.Errorf("oracle of %v = %v, want %v", cipher, got, want)
			}
		}
	})
}

func TestWhatSignsIsNotTestedWithLiveKeys(t *testing.T) {
	t.Parallel()
	gcm := &allowlistv1.Cipher{Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM}
	kinds := []*allowlistv1.Profile{
		{},
		{Kind: &allowlistv1.Profile_Cipher{Cipher: gcm}},
		{Kind: &allowlistv1.Profile_RsaDirect{RsaDirect: &allowlistv1.RsaDirect{}}},
		{Kind: &allowlistv1.Profile_Pgp{Pgp: &allowlistv1.Pgp{}}},
		{Kind: &allowlistv1.Profile_Cms{Cms: &allowlistv1.Cms{Keys: []*allowlistv1.SecretRef{{}}}}},
	}
	for alg := range allowlistv1.Jose_KeyManagement_name {
		kinds = append(kinds, &allowlistv1.Profile{Kind: &allowlistv1.Profile_Jose{Jose: &allowlistv1.Jose{
			KeyManagement: allowlistv1.Jose_KeyManagement(alg),
		}}})
	}
	for _, kind := range kinds {
		if safety.Oracle(describe.Of("request", kind)) {
			t.Errorf("encryption alone is an oracle: %v", kind)
		}
		schemes := []*allowlistv1.Signing{{}}
		for alg := range allowlistv1.Mac_Algorithm_name {
			schemes = append(schemes, &allowlistv1.Signing{Scheme: &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_Algorithm(alg)}}})
		}
		for alg := range allowlistv1.Asymmetric_Algorithm_name {
			schemes = append(schemes, &allowlistv1.Signing{Scheme: &allowlistv1.Signing_Asymmetric{Asymmetric: &allowlistv1.Asymmetric{Algorithm: allowlistv1.Asymmetric_Algorithm(alg)}}})
		}
		for alg := range allowlistv1.Jws_Algorithm_name {
			schemes = append(schemes, &allowlistv1.Signing{Scheme: &allowlistv1.Signing_Jws{Jws: &allowlistv1.Jws{Algorithm: allowlistv1.Jws_Algorithm(alg)}}})
		}
		for hash := range allowlistv1.Hash_name {
			schemes = append(schemes, &allowlistv1.Signing{Scheme: &allowlistv1.Signing_SecretDigest{SecretDigest: &allowlistv1.SecretDigest{Hash: allowlistv1.Hash(hash)}}})
		}
		for _, signing := range schemes {
			p := proto.CloneOf(kind)
			p.Signing = signing
			if !safety.Oracle(describe.Of("request", p)) {
				t.Errorf("a signing profile is not an oracle: %v", p)
			}
		}
		p := proto.CloneOf(kind)
		p.NestedJws = &allowlistv1.NestedJws{}
		if !safety.Oracle(describe.Of("request", p)) {
			t.Errorf("a profile with a nested signature is not an oracle: %v", p)
		}
		p.NestedJws, p.OuterJws = nil, &allowlistv1.NestedJws{}
		if !safety.Oracle(describe.Of("request", p)) {
			t.Errorf("a profile with an outer signature is not an oracle: %v", p)
		}
	}
	signed := &allowlistv1.Profile{Kind: &allowlistv1.Profile_Pgp{Pgp: &allowlistv1.Pgp{SigningKeys: []*allowlistv1.SecretRef{{}}}}}
	if !safety.Oracle(describe.Of("request", signed)) {
		t.Error("OpenPGP that signs is not an oracle")
	}
	signed = &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cms{Cms: &allowlistv1.Cms{SigningKeys: []*allowlistv1.SecretRef{{}}}}}
	if !safety.Oracle(describe.Of("request", signed)) {
		t.Error("CMS that signs is not an oracle")
	}
}
