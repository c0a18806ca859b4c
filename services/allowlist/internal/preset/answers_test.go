package preset_test

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
)

func TestPresetsOpenWhatOtherToolsMade(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, a := range answers(t) {
		t.Run(a.Preset+"/"+a.Direction, func(t *testing.T) {
			t.Parallel()
			p := a.pipeline(t, l)
			opened, err := p.Decrypt(a.received(t, p.DecryptReferences(), a.Body, answer.Lower(a.Headers), a.Query))
			if err != nil {
				t.Fatalf("Decrypt the message of %s: %v", a.Tool, err)
			}
			if diff := cmp.Diff(a.Plaintext, string(opened.Body)); diff != "" {
				t.Errorf("Decrypt the message of %s (-want +got):\n%s", a.Tool, diff)
			}
		})
	}
}

func TestPresetsWriteWhatOtherToolsWrite(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, a := range answers(t) {
		if !a.Deterministic {
			continue
		}
		t.Run(a.Preset+"/"+a.Direction, func(t *testing.T) {
			t.Parallel()
			p := a.pipeline(t, l)
			sent, err := p.Encrypt(a.input(t, p.EncryptReferences(), a.Plaintext, nil))
			if err != nil {
				t.Fatalf("Encrypt: %v", err)
			}
			if diff := cmp.Diff(a.Body, string(sent.Body)); diff != "" {
				t.Errorf("the body differs from that of %s (-want +got):\n%s", a.Tool, diff)
			}
			if diff := cmp.Diff(answer.Lower(a.Headers), answer.Came(sent.Headers)); diff != "" {
				t.Errorf("the headers differ from those of %s (-want +got):\n%s", a.Tool, diff)
			}
			if diff := cmp.Diff(a.Query, answer.ByName(sent.Query), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the query parameters differ from those of %s (-want +got):\n%s", a.Tool, diff)
			}
		})
	}
}

func TestPresetsOpenWhatTheyWrite(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, a := range answers(t) {
		t.Run(a.Preset+"/"+a.Direction, func(t *testing.T) {
			t.Parallel()
			p := a.pipeline(t, l)
			sent, err := p.Encrypt(a.input(t, p.EncryptReferences(), a.Plaintext, nil))
			if err != nil {
				t.Fatalf("Encrypt: %v", err)
			}
			if a.Exchange == nil && p.NeedsExchange() {
				t.Fatal("the answer has no exchange")
			}
			opened, err := p.Decrypt(a.received(t, p.DecryptReferences(), string(sent.Body), answer.Came(sent.Headers), answer.ByName(sent.Query)))
			if err != nil {
				t.Fatalf("Decrypt: %v", err)
			}
			if diff := cmp.Diff(a.Plaintext, string(opened.Body)); diff != "" {
				t.Errorf("Decrypt(Encrypt) (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestsNameKeysAsOtherToolsDo(t *testing.T) {
	t.Parallel()
	l := library(t)
	compared := make(map[string]bool)
	for _, a := range answers(t) {
		switch a.Preset + "/" + a.Direction {
		case "billdesk/request", "brazil_jws/request", "juspay_fields/request", "juspay_jwt/request", "jws_body/request", "mastercard_fle/request", "mastercard_fle_headers/request",
			"mastercard_fle_object/request", "mastercard_jwe/request", "uae_pii/request", "visa_acceptance_mle/request",
			"visa_mle/request", "visa_vts/request":
		default:
			continue
		}
		compared[a.Preset] = true
		p := a.pipeline(t, l)
		sent, err := p.Encrypt(a.input(t, p.EncryptReferences(), a.Plaintext, nil))
		if err != nil {
			t.Fatalf("%s: Encrypt: %v", a.Preset, err)
		}
		want, got := names(t, a.Body, answer.Lower(a.Headers)), names(t, string(sent.Body), answer.Came(sent.Headers))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the identification of the key differs from that of %s (-want +got):\n%s", a.Preset, a.Tool, diff)
		}
	}
	if len(compared) != 13 {
		t.Errorf("compared %v, want 13 presets", compared)
	}
}

// names returns the plaintext metadata of a message and its key: the JOSE header without its
// random parts, and Mastercard's fingerprint and hash.
func names(t testing.TB, body string, headers map[string]string) map[string]any {
	t.Helper()
	all := make(map[string]any)
	for _, field := range regexp.MustCompile(`"(publicKeyFingerprint|oaepHashingAlgorithm)":"(\w+)"`).FindAllStringSubmatch(body, -1) {
		all[field[1]] = field[2]
	}
	for _, name := range []string{"x-public-key-fingerprint", "x-oaep-hashing-algorithm"} {
		all[name] = headers[name]
	}
	if protected := regexp.MustCompile(`eyJ[\w-]+`).FindString(body); protected != "" {
		text, err := base64.RawURLEncoding.DecodeString(protected)
		if err != nil {
			t.Fatalf("decode the JOSE header: %v", err)
		}
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatalf("read the JOSE header: %v", err)
		}
	}
	delete(all, "iv")
	delete(all, "tag")
	if at, ok := all["iat"].(float64); ok {
		all["iat"] = len(strconv.FormatFloat(at, 'f', 0, 64)) // digits: seconds or milliseconds
	}
	return all
}

func TestEveryPresetHasAKnownAnswer(t *testing.T) {
	t.Parallel()
	has := make(map[string]bool)
	for _, a := range answers(t) {
		has[a.Preset+"/"+a.Direction] = true
	}
	for _, p := range library(t).List() {
		if !has[p.GetId()+"/request"] {
			t.Errorf("%s has no known answer", p.GetId())
		}
		if p.GetEncryption().GetResponse() != nil && !has[p.GetId()+"/response"] {
			t.Errorf("the response of %s has no known answer", p.GetId())
		}
	}
}
