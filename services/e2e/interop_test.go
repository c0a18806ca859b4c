//go:build interop

package e2e

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Node programs that a partner might run: they read the body from standard input and
// take the key from the environment, in hexadecimal.
const (
	nodeOpenGCM = `
const key = Buffer.from(process.env.KEY, "hex"), b = Buffer.from(require("fs").readFileSync(0, "utf8"), process.env.ENCODING);
const d = require("crypto").createDecipheriv("aes-" + key.length * 8 + "-gcm", key, b.subarray(0, 12));
d.setAuthTag(b.subarray(-16));
process.stdout.write(Buffer.concat([d.update(b.subarray(12, -16)), d.final()]));`
	nodeSealGCM = `
const key = Buffer.from(process.env.KEY, "hex"), crypto = require("crypto"), iv = crypto.randomBytes(12);
const c = crypto.createCipheriv("aes-" + key.length * 8 + "-gcm", key, iv);
const ct = Buffer.concat([c.update(require("fs").readFileSync(0)), c.final()]);
process.stdout.write(Buffer.concat([iv, ct, c.getAuthTag()]).toString(process.env.ENCODING));`
)

// TestInteropThroughThePublicAPI has openssl and node open what Encrypt makes, and
// Decrypt open what they make, for each algorithm and encoding.
func TestInteropThroughThePublicAPI(t *testing.T) {
	s, _ := standalone(t, t.TempDir())
	encodings := map[allowlistv1.Encoding]string{
		allowlistv1.Encoding_ENCODING_BASE64:    "base64",
		allowlistv1.Encoding_ENCODING_BASE64URL: "base64url",
		allowlistv1.Encoding_ENCODING_HEX:       "hex",
	}
	algorithms := map[allowlistv1.Cipher_Algorithm]int{
		allowlistv1.Cipher_ALGORITHM_AES_128_GCM: 16,
		allowlistv1.Cipher_ALGORITHM_AES_192_GCM: 24,
		allowlistv1.Cipher_ALGORITHM_AES_256_GCM: 32,
		allowlistv1.Cipher_ALGORITHM_AES_128_CBC: 16,
		allowlistv1.Cipher_ALGORITHM_AES_192_CBC: 24,
		allowlistv1.Cipher_ALGORITHM_AES_256_CBC: 32,
	}
	for algorithm, size := range algorithms {
		for encoding, name := range encodings {
			t.Run(fmt.Sprintf("%v in %s", algorithm, name), func(t *testing.T) {
				key := hex.EncodeToString(bytes.Repeat([]byte{byte(size), 0x5a}, size/2))
				p := &partner{t: t, key: key, encoding: name, cbc: strings.HasSuffix(algorithm.String(), "CBC")}
				endpoint := configure(t, s, algorithm, encoding, key)
				for _, plain := range []string{`{"amount":100,"name":"Zoë"}`, "", strings.Repeat("0123456789abcdef", 64)} {
					exchange(t, s, endpoint, p, plain)
				}
			})
		}
	}
}

// exchange sends a plaintext to the partner and has it answer with the same.
func exchange(t *testing.T, s site, endpoint string, p *partner, plain string) {
	t.Helper()
	client := s.allowlistAs(t, sender)
	made, err := client.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: endpoint, Body: []byte(plain)})
	check(t, err)
	if got := p.open(made.GetBody()); got != plain {
		t.Errorf("the partner opens %.60q, want %.60q", got, plain)
	}
	opened, err := client.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: endpoint, Body: p.seal(plain), Exchange: made.GetExchange()})
	check(t, err)
	if got := string(opened.GetBody()); got != plain {
		t.Errorf("Decrypt of what the partner made = %.60q, want %.60q", got, plain)
	}
}

// configure stores a key and registers an active endpoint for it.
func configure(t *testing.T, s site, algorithm allowlistv1.Cipher_Algorithm, encoding allowlistv1.Encoding, key string) string {
	t.Helper()
	id := strings.ToLower(strings.ReplaceAll(fmt.Sprintf("%v-%v", algorithm, encoding), "_", "-"))
	secret, endpoint := "workspaces/demo/secrets/"+id, "workspaces/demo/endpoints/"+id
	_, err := s.vaultAs(t, owner).CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/demo", SecretId: id, Secret: text(key)})
	check(t, err)
	slot := func(slot allowlistv1.Part_Slot) *allowlistv1.Part {
		return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slot}}
	}
	profile := &allowlistv1.Profile{
		Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
			Algorithm: algorithm,
			Key: &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{Keys: []*allowlistv1.SecretRef{
				{Name: secret, Decoding: allowlistv1.Decoding_DECODING_HEX},
			}}},
		}},
		Envelope: &allowlistv1.Envelope{Blobs: map[string]*allowlistv1.Blob{"data": {
			Encoding: encoding,
			Parts:    []*allowlistv1.Part{slot(allowlistv1.Part_SLOT_IV), slot(allowlistv1.Part_SLOT_CIPHERTEXT), slot(allowlistv1.Part_SLOT_TAG)},
		}}},
	}
	if strings.HasSuffix(algorithm.String(), "CBC") {
		blob := profile.GetEnvelope().GetBlobs()["data"]
		blob.Parts = blob.GetParts()[:2]
		profile.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, Reason: "the partner's specification",
			ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
		}}
	}
	client := s.allowlistAs(t, owner)
	_, err = client.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: "workspaces/demo", EndpointId: id,
		Endpoint: &allowlistv1.Endpoint{
			Url: "https://api.partner.example/x", Methods: []string{"POST"},
			Encryption: &allowlistv1.Encryption{Request: profile},
		},
	})
	check(t, err)
	_, err = s.allowlistAs(t, admin).ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: endpoint})
	check(t, err)
	_, err = client.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: endpoint})
	check(t, err)
	return endpoint
}

// A partner speaks AES with tools of its own: openssl for CBC, node for GCM, which
// openssl's command line does not offer.
type partner struct {
	t             *testing.T
	key, encoding string
	cbc           bool
}

func (p *partner) open(body []byte) string {
	p.t.Helper()
	if !p.cbc {
		return string(p.run(body, "node", "-e", nodeOpenGCM))
	}
	raw := p.run(body, "node", "-e", `process.stdout.write(Buffer.from(require("fs").readFileSync(0, "utf8"), process.env.ENCODING))`)
	return string(p.run(raw[16:], "openssl", "enc", "-d", p.cipher(), "-K", p.key, "-iv", hex.EncodeToString(raw[:16])))
}

func (p *partner) seal(plain string) []byte {
	p.t.Helper()
	if !p.cbc {
		return p.run([]byte(plain), "node", "-e", nodeSealGCM)
	}
	iv := p.run(nil, "openssl", "rand", "16")
	sealed := p.run([]byte(plain), "openssl", "enc", "-e", p.cipher(), "-K", p.key, "-iv", hex.EncodeToString(iv))
	return p.run(append(iv, sealed...), "node", "-e", `process.stdout.write(require("fs").readFileSync(0).toString(process.env.ENCODING))`)
}

func (p *partner) cipher() string { return fmt.Sprintf("-aes-%d-cbc", len(p.key)*4) }

func (p *partner) run(stdin []byte, name string, args ...string) []byte {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "KEY="+p.key, "ENCODING="+p.encoding)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out
}

// TestInteropOpensslMakesTheSameSignature compares the signature header with what
// openssl makes of the exact bytes sent.
func TestInteropOpensslMakesTheSameSignature(t *testing.T) {
	s, _ := standalone(t, t.TempDir())
	endpoint := register(t, s, "demo", "payments")
	made, err := s.allowlistAs(t, sender).Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: endpoint, Body: []byte(`{"amount":100}`)})
	check(t, err)
	p := &partner{t: t}
	digest := p.run(made.GetBody(), "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString([]byte(hmacKey)))
	_, want, _ := strings.Cut(strings.TrimSpace(string(digest)), "= ")
	if got := made.GetHeaders()[0].GetValue(); got != "sha256="+want {
		t.Errorf("X-Signature = %q, want sha256=%s", got, want)
	}
}

// TestInteropTheDiskSyncsBeforeEachAcknowledgement watches the system calls of a
// standalone: between the arrival of a change and its answer there is an fdatasync of
// the data file.
func TestInteropTheDiskSyncsBeforeEachAcknowledgement(t *testing.T) {
	dir := t.TempDir()
	s, p := standalone(t, dir)
	trace := filepath.Join(dir, "strace.txt")
	strace := exec.Command("strace", "-f", "-y", "-tt", "-e", "trace=fdatasync,fsync", "-o", trace, "-p", fmt.Sprint(p.cmd.Process.Pid))
	var attached bytes.Buffer
	strace.Stderr = &attached
	check(t, strace.Start())
	t.Cleanup(func() { _ = strace.Process.Kill() })
	syncs := func() int {
		text, _ := os.ReadFile(trace)
		return len(regexp.MustCompile(`fdatasync\(\d+<[^>]*vault\.db>`).FindAll(text, -1))
	}
	client := s.vaultAs(t, owner)
	create := func(n int) {
		_, err := client.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/demo", SecretId: fmt.Sprintf("s%d", n), Secret: text("x")})
		check(t, err)
	}
	n := 0
	for syncs() == 0 { // until strace is attached
		if n++; n > 1000 {
			t.Fatalf("strace sees no fdatasync: %s", attached.String())
		}
		create(n)
	}
	for range 20 {
		before := syncs()
		n++
		create(n)
		if after := syncs(); after <= before {
			t.Errorf("change %d was acknowledged with %d syncs of vault.db since it was sent", n, after-before)
		}
	}
}
