package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// vectorFolders returns the folders of the known answers, each with a vectors.json.
// KEYWARD_VECTORS replaces them by another folder with the same vocabulary.
func vectorFolders() []string {
	if given := os.Getenv("KEYWARD_VECTORS"); given != "" {
		return []string{given}
	}
	return []string{"../allowlist/internal/payload/testdata", "testdata/vectors"}
}

// outsideTheModel lists vectors that no configuration can express, with the reason.
func outsideTheModel() map[string]string { return map[string]string{} }

// A vector is an answer of another tool, with the tool's input.
type vector struct {
	ID            string                  `json:"id"`
	Tool          string                  `json:"tool"`
	Deterministic bool                    `json:"deterministic"`
	Direction     string                  `json:"direction"`
	Expect        string                  `json:"expect"`
	Legacy        bool                    `json:"requires_allow_legacy"`
	Verify        string                  `json:"verify"`
	Secrets       map[string]vectorSecret `json:"secrets"`
	Profile       json.RawMessage         `json:"profile"`
	Context       vectorContext           `json:"context"`
	Plaintext     string                  `json:"plaintext"`
	// Answered reports that a known answer has the same profile, so that unknown words in it do
	// not matter.
	Answered bool `json:"-"`
	Output   struct {
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	} `json:"output"`
}

type vectorSecret struct {
	Value  string `json:"value"`
	Decode string `json:"decode"`
}

// bytes decodes the secret.
func (s vectorSecret) bytes() ([]byte, error) {
	switch s.Decode {
	case "hex":
		return hex.DecodeString(s.Value)
	case "base64":
		return base64.StdEncoding.DecodeString(s.Value)
	case "base64url":
		return base64.RawURLEncoding.DecodeString(strings.TrimRight(s.Value, "="))
	case "utf8", "raw":
		return []byte(s.Value), nil
	}
	return nil, errors.New("a secret of another form")
}

type vectorContext struct {
	Timestamp int64  `json:"timestamp"`
	ID        string `json:"msg_id"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Query     string `json:"query"`
	Host      string `json:"host"`
}

// readSecrets reads the secrets that are stored in files.
func (v *vector) readSecrets(t testing.TB, folder string) {
	t.Helper()
	for name, secret := range v.Secrets {
		if secret.Decode != "pemfile" && secret.Decode != "pgpfile" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(secret.Value)))
		if err != nil {
			t.Fatal(err)
		}
		secret.Value = string(text)
		v.Secrets[name] = secret
	}
}

// A bench is a running Keyward on which vectors are tested.
type bench struct {
	site

	vault     vaultv1.VaultServiceClient
	owner     allowlistv1.AllowlistServiceClient
	admin     allowlistv1.AllowlistServiceClient
	sender    allowlistv1.AllowlistServiceClient
	workspace string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, _ := standalone(t, t.TempDir())
	large := grpc.MaxCallRecvMsgSize(64 << 20)
	dial := func(who person) allowlistv1.AllowlistServiceClient {
		return allowlistv1.NewAllowlistServiceClient(s.dial(t, s.allowlist, who, large))
	}
	return &bench{
		site: s, vault: s.vaultAs(t, admin), owner: dial(owner), admin: dial(admin), sender: dial(sender),
		workspace: "workspaces/demo",
	}
}

func readVectors(t *testing.T, folder string) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"vectors"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("read vectors: %v", err)
	}
	if len(file.Vectors) == 0 {
		t.Fatal("there are no vectors")
	}
	answered := make(map[string]bool)
	for _, v := range file.Vectors {
		answered[string(v.Profile)] = answered[string(v.Profile)] || v.Expect == "accept"
	}
	for i := range file.Vectors {
		file.Vectors[i].readSecrets(t, folder)
		file.Vectors[i].Answered = answered[string(file.Vectors[i].Profile)]
	}
	return file.Vectors
}

// TestKnownAnswersOfOtherTools tests every vector through the public API: secrets are stored, an
// endpoint is configured, and a sender encrypts, decrypts, and verifies.
func TestKnownAnswersOfOtherTools(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, folder := range vectorFolders() {
		for _, v := range readVectors(t, folder) {
			t.Run(v.ID, func(t *testing.T) {
				if reason, outside := outsideTheModel()[v.ID]; outside {
					t.Logf("outside the model: %s", reason)
					return
				}
				newTrial(t, b, v).run()
			})
		}
	}
}

// name creates an ID from a vector's ID and a word.
func (v vector) name(word string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, v.ID+"-"+word)
}
