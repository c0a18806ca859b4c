package secret_test

import (
	"crypto"
	"crypto/ecdh"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// asymmetric is the name of the algorithm of each generated kind.
var asymmetric = map[vaultv1.Generate_Kind]string{
	vaultv1.Generate_KIND_RSA_2048: "RSA-2048",
	vaultv1.Generate_KIND_RSA_3072: "RSA-3072",
	vaultv1.Generate_KIND_RSA_4096: "RSA-4096",
	vaultv1.Generate_KIND_EC_P256:  "EC-P256",
	vaultv1.Generate_KIND_EC_P384:  "EC-P384",
	vaultv1.Generate_KIND_ED25519:  "Ed25519",
	vaultv1.Generate_KIND_X25519:   "X25519",
}

// opened returns the value of a secret as a workload gets it.
func opened(t testing.TB, k *vaulttest.Kit, id string, version uint32) string {
	t.Helper()
	uid := k.Resolver.Bind(t, id, "e", "op").GetUid()
	return k.Resolver.Resolve(t, id, uid, version)
}

// publicOf returns the PEM of the public part of a PEM private key, derived without the vault.
func publicOf(t testing.TB, private string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(private))
	if block == nil || block.Type != "PRIVATE KEY" {
		t.Fatal("the value is not PKCS #8 in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	var public crypto.PublicKey
	if x, ok := key.(*ecdh.PrivateKey); ok {
		public = x.PublicKey()
	} else if signer, ok := key.(crypto.Signer); ok {
		public = signer.Public()
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestGeneratedPrivateKeyShowsItsPublicPartOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for kind, algorithm := range asymmetric {
		created := k.Owner.Create(t, algorithm, &vaultv1.Secret{Value: vaulttest.Generate(kind)})
		if created.GetPublicKey() != nil {
			t.Errorf("%s: CreateSecret returns the public key, want it only from GetSecret", algorithm)
		}
		private := opened(t, k, algorithm, 0)
		got := k.Owner.Get(t, algorithm)
		public := got.GetPublicKey()
		if want := publicOf(t, private); public.GetAlgorithm() != algorithm || public.GetPem() != want {
			t.Errorf("public key is %s\n%s, want %s\n%s", public.GetAlgorithm(), public.GetPem(), algorithm, want)
		}
		block, _ := pem.Decode([]byte(public.GetPem()))
		digest := sha256.Sum256(block.Bytes)
		if want := hex.EncodeToString(digest[:]); public.GetFingerprint() != want {
			t.Errorf("%s: fingerprint = %s, want %s", algorithm, public.GetFingerprint(), want)
		}
		var jwk map[string]string
		if err := json.Unmarshal([]byte(public.GetJwk()), &jwk); err != nil || jwk["kid"] == "" || jwk["d"] != "" {
			t.Errorf("%s: the JWK has members %v, %v", algorithm, jwk, err)
		}
		for _, line := range strings.Split(private, "\n")[1:] {
			if len(line) == 64 { // a full line of base64, which unlike the start differs between keys
				servertest.MustNotHold(t, "the secret", strings.Join(strings.Fields(got.String()), ""), line)
			}
		}
	}
	if listed, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace}); err != nil || listed.GetSecrets()[0].GetPublicKey() != nil {
		t.Errorf("ListSecrets returns public keys, %v", err)
	}
}

func TestPublicKeyIsThatOfTheCurrentVersion(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256)})
	first := k.Owner.Get(t, "key").GetPublicKey()
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "the same key"})
	if diff := cmp.Diff(first, k.Owner.Get(t, "key").GetPublicKey(), protocmp.Transform()); diff != "" {
		t.Errorf("a new description changes the public key (-before +after):\n%s", diff)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Generate(vaultv1.Generate_KIND_ED25519)})
	second := k.Owner.Get(t, "key").GetPublicKey()
	if want := publicOf(t, opened(t, k, "key", 2)); second.GetPem() != want || second.GetPem() == first.GetPem() {
		t.Errorf("after a rotation the public key is\n%s, want\n%s", second.GetPem(), want)
	}
	k.Running.Stop()
	k.Start(t)
	if diff := cmp.Diff(second, k.Owner.Get(t, "key").GetPublicKey(), protocmp.Transform()); diff != "" {
		t.Errorf("a restart changes the public key (-before +after):\n%s", diff)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("no key at all")})
	if got := k.Owner.Get(t, "key").GetPublicKey(); got != nil {
		t.Errorf("text has the public key %v", got)
	}
}

func TestImportedKeyShowsItsPublicPart(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "made", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P384)})
	private := opened(t, k, "made", 0)
	want := k.Owner.Get(t, "made").GetPublicKey()
	for id, value := range map[string]string{"private": private, "public": want.GetPem()} {
		k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text(value)})
		if diff := cmp.Diff(want, k.Owner.Get(t, id).GetPublicKey(), protocmp.Transform()); diff != "" {
			t.Errorf("the imported %s key differs (-want +got):\n%s", id, diff)
		}
		if got := opened(t, k, id, 0); got != value {
			t.Errorf("the imported %s key is not resolved as stored", id)
		}
	}
	for id, secret := range map[string]*vaultv1.Secret{
		"parameter":  {Usage: vaultv1.Usage_USAGE_PARAMETER, Value: vaulttest.Text(private)},
		"credential": {Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}, Value: vaulttest.Text(private)},
	} {
		k.Owner.Create(t, id, secret)
		if got := k.Owner.Get(t, id).GetPublicKey(); got != nil {
			t.Errorf("the %s has the public key %v, want none", id, got)
		}
	}
}
