//go:build interop

package payload_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// These tests need openssl and node. What Encrypt makes, they open; what they
// make, Decrypt opens.

// A job is one for testdata/partner.js.
type job struct {
	Op        string `json:"op"`
	Algorithm string `json:"algorithm"`
	Key       string `json:"key"`
	IV        string `json:"iv"`
	Encoding  string `json:"encoding"`
	Text      string `json:"text"`
}

// node lets node do the jobs.
func node(t *testing.T, jobs ...job) []string {
	t.Helper()
	input, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var results []string
	if err := json.Unmarshal(run(t, input, "node", "testdata/partner.js"), &results); err != nil {
		t.Fatal(err)
	}
	return results
}

// run runs a program and returns its output.
func run(t *testing.T, input []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out
}

// A kind is a cipher and an encoding in everybody's words.
type kind struct {
	bits, ivBytes int
	mode          string
	encoding      string // as node has it
}

func kinds() []kind {
	var all []kind
	for _, bits := range []int{128, 192, 256} {
		for _, encoding := range []string{"base64", "base64url", "hex"} {
			all = append(all, kind{bits, 12, "gcm", encoding}, kind{bits, 16, "gcm", encoding}, kind{bits, 16, "cbc", encoding})
		}
	}
	return all
}

func (k kind) String() string {
	return fmt.Sprintf("aes-%d-%s, %d bytes of iv, %s", k.bits, k.mode, k.ivBytes, k.encoding)
}

func (k kind) algorithm() string { return fmt.Sprintf("aes-%d-%s", k.bits, k.mode) }

func (k kind) key() string { return keyA[:k.bits/4] }

func (k kind) keys() payload.Keys { return keysOf(sensitive.New([]byte(k.key()))) }

// pipeline is the profile for the kind with a template of the blobs i, c and t.
func (k kind) pipeline(t *testing.T, selection, kind, template string) *payload.Pipeline {
	t.Helper()
	blob := func(name, slot string) string {
		return fmt.Sprintf("blobs { key: %q value { parts { slot: %s } encoding: ENCODING_%s } } ", name, slot, strings.ToUpper(k.encoding))
	}
	text := fmt.Sprintf("cipher { algorithm: ALGORITHM_AES_%d_%s shared_key { %s } iv { bytes: %d } } %s", k.bits, strings.ToUpper(k.mode), ref, k.ivBytes, selection)
	text += "envelope { " + blob("i", "SLOT_IV") + blob("c", "SLOT_CIPHERTEXT")
	if k.mode == "gcm" {
		text += blob("t", "SLOT_TAG")
	} else {
		template = strings.NewReplacer(".${t}", "", `"t":"${t}",`, "").Replace(template)
	}
	text += kind + ": " + prototextString(template) + " } "
	if k.mode == "cbc" {
		text += ack
	}
	return pipeline(t, text)
}

func (k kind) seal(plaintext string) job {
	return job{Op: "seal", Algorithm: k.algorithm(), Key: k.key(), IV: strings.Repeat("5a", k.ivBytes), Encoding: k.encoding, Text: hex.EncodeToString([]byte(plaintext))}
}

func (k kind) open(sealed string) job {
	return job{Op: "open", Algorithm: k.algorithm(), Key: k.key(), Encoding: k.encoding, Text: sealed}
}

const sample = `{"name":"Jörg \"J\" 🎯","pan":"4111111111111111","amount":12.50,"tags":["a",null]}`

func TestInteropNodeAndTheEngineOpenEachOther(t *testing.T) {
	t.Parallel()
	const text, object = "${i}.${c}.${t}", `{"v":1,"t":"${t}","data":{"c":"${c}","i":"${i}"}}`
	for _, k := range kinds() {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			asText, asJSON := k.pipeline(t, "", "text", text), k.pipeline(t, "", "json", object)
			asField := k.pipeline(t, fields("", "$.pan", "$.tags[*]"), "text", text)

			// Ours, for node to open.
			whole := encryptAs(t, asText, k, sample)
			members := parts(t, encryptAs(t, asJSON, k, sample))
			var field struct {
				Pan  string
				Tags []string
			}
			if err := json.Unmarshal([]byte(encryptAs(t, asField, k, sample)), &field); err != nil {
				t.Fatal(err)
			}
			got := node(t, k.open(whole), k.open(members), k.open(field.Pan), k.open(field.Tags[0]), k.open(field.Tags[1]),
				k.seal(sample), k.seal(`"4111111111111111"`), k.seal(`"a"`), k.seal(`null`))
			for i, want := range []string{sample, sample, `"4111111111111111"`, `"a"`, `null`} {
				if opened := string(unhex(t, got[i])); opened != want {
					t.Errorf("node opens what Encrypt made as %q, want %q", opened, want)
				}
			}

			// Node's, for us to open.
			check := func(p *payload.Pipeline, body string) {
				t.Helper()
				if opened, err := decryptWith(p, now, k.keys(), []byte(body)); err != nil || string(opened) != sample {
					t.Errorf("Decrypt of what node made = %q, %v", opened, err)
				}
			}
			check(asText, got[5]+"\n")
			check(asJSON, k.object(t, got[5]))
			check(asField, strings.NewReplacer(`"4111111111111111"`, `"`+got[6]+`"`, `"a"`, `"`+got[7]+`"`, `null`, `"`+got[8]+`"`).Replace(sample))
		})
	}
}

func encryptAs(t *testing.T, p *payload.Pipeline, k kind, body string) string {
	t.Helper()
	sent, err := encryptWith(p, now, &counter{}, k.keys(), []byte(body))
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	return string(sent.Body)
}

// A counter gives bytes that count up.
type counter struct{ next byte }

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.next
		c.next++
	}
	return len(b), nil
}

// parts turns the JSON envelope into node's form.
func parts(t *testing.T, body string) string {
	t.Helper()
	var envelope struct {
		T    string
		Data struct{ I, C string }
	}
	if err := json.Unmarshal([]byte(body), &envelope); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(envelope.Data.I+"."+envelope.Data.C+"."+envelope.T, ".")
}

// object turns node's form into a JSON envelope, in another layout and order.
func (k kind) object(t *testing.T, sealed string) string {
	t.Helper()
	fields := strings.Split(sealed, ".")
	envelope := map[string]any{"data": map[string]string{"i": fields[0], "c": fields[1]}, "v": 1}
	if k.mode == "gcm" {
		envelope["t"] = fields[2]
	}
	text, err := json.MarshalIndent(envelope, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInteropOpensslAndTheEngineOpenEachOther(t *testing.T) {
	t.Parallel()
	for _, bits := range []int{128, 192, 256} {
		t.Run(fmt.Sprintf("aes-%d-cbc", bits), func(t *testing.T) {
			t.Parallel()
			k := kind{bits: bits, ivBytes: 16, mode: "cbc", encoding: "hex"}
			p := k.pipeline(t, "", "text", "${i}:${c}")
			openssl := func(input []byte, iv, direction string) []byte {
				return run(t, input, "openssl", "enc", "-"+k.algorithm(), direction, "-K", k.key(), "-iv", iv)
			}
			iv, ciphertext, _ := strings.Cut(encryptAs(t, p, k, sample), ":")
			if got := openssl(unhex(t, ciphertext), iv, "-d"); string(got) != sample {
				t.Errorf("openssl opens what Encrypt made as %q", got)
			}
			theirs := iv + ":" + hex.EncodeToString(openssl([]byte(sample), iv, "-e"))
			if got, err := decryptWith(p, now, k.keys(), []byte(theirs)); err != nil || string(got) != sample {
				t.Errorf("Decrypt of what openssl made = %q, %v", got, err)
			}

			// The usual layout: base64 of iv and ciphertext, with a line end.
			usual := pipeline(t, fmt.Sprintf("cipher { algorithm: ALGORITHM_AES_%d_CBC shared_key { %s } } ", bits, ref)+ack)
			raw := append(unhex(t, iv), openssl([]byte(sample), iv, "-e")...)
			text := run(t, raw, "openssl", "base64", "-A")
			if got, err := decryptWith(usual, now, k.keys(), append(text, '\n')); err != nil || string(got) != sample {
				t.Errorf("Decrypt of what openssl made = %q, %v", got, err)
			}
			sent, err := base64.StdEncoding.DecodeString(encryptAs(t, usual, k, sample))
			if err != nil {
				t.Fatal(err)
			}
			if got := openssl(sent[16:], hex.EncodeToString(sent[:16]), "-d"); string(got) != sample {
				t.Errorf("openssl opens what Encrypt made as %q", got)
			}
		})
	}
}

func TestInteropOpensslAndNodeAgreeOnTheSignature(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"", gcm, gcm + fields("", "$.pan")} {
		sent := encrypt(t, pipeline(t, profile+mac), sample)
		out := strings.TrimSpace(string(run(t, sent.Body, "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+keyB)))
		openssl := "sha256=" + out[strings.LastIndexByte(out, ' ')+1:]
		byNode := "sha256=" + node(t, job{Op: "mac", Key: keyB, Text: hex.EncodeToString(sent.Body)})[0]
		if got := sent.Headers[0].Value; got != openssl || got != byNode {
			t.Errorf("the signature is %s, openssl says %s, node says %s", got, openssl, byNode)
		}
	}
}
