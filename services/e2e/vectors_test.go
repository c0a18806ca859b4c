package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// vectorFolder is where the known answers are; KEYWARD_VECTORS names another folder
// with a vectors.json of the same vocabulary.
const vectorFolder = "../allowlist/internal/payload/testdata"

// outsideTheModel lists vectors that no configuration expresses, with the reason.
func outsideTheModel() map[string]string { return map[string]string{} }

// A vector is an answer that another tool gave, and what it was given.
type vector struct {
	ID            string                  `json:"id"`
	Deterministic bool                    `json:"deterministic"`
	Direction     string                  `json:"direction"`
	Expect        string                  `json:"expect"`
	Legacy        bool                    `json:"requires_allow_legacy"`
	Verify        string                  `json:"verify"`
	Secrets       map[string]vectorSecret `json:"secrets"`
	Profile       json.RawMessage         `json:"profile"`
	Context       vectorContext           `json:"context"`
	Plaintext     string                  `json:"plaintext"`
	Output        struct {
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	} `json:"output"`
}

type vectorSecret struct {
	Value  string `json:"value"`
	Decode string `json:"decode"`
}

type vectorContext struct {
	Timestamp int64  `json:"timestamp"`
	ID        string `json:"msg_id"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Query     string `json:"query"`
	Host      string `json:"host"`
}

// A bench is a running Keyward that vectors are tried on.
type bench struct {
	site

	folder    string
	vault     vaultv1.VaultServiceClient
	owner     allowlistv1.AllowlistServiceClient
	admin     allowlistv1.AllowlistServiceClient
	sender    allowlistv1.AllowlistServiceClient
	workspace string
}

func newBench(t *testing.T, folder string) *bench {
	t.Helper()
	s, _ := standalone(t, t.TempDir())
	large := grpc.MaxCallRecvMsgSize(64 << 20)
	dial := func(who person) allowlistv1.AllowlistServiceClient {
		return allowlistv1.NewAllowlistServiceClient(s.dial(t, s.allowlist, who, large))
	}
	return &bench{
		site: s, folder: folder, vault: s.vaultAs(t, owner), owner: dial(owner), admin: dial(admin), sender: dial(sender),
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
	return file.Vectors
}

// TestKnownAnswersOfOtherTools takes every vector through the public API: secrets are
// stored, an endpoint is configured, and a sender encrypts, decrypts and verifies.
func TestKnownAnswersOfOtherTools(t *testing.T) {
	t.Parallel()
	folder := vectorFolder
	if given := os.Getenv("KEYWARD_VECTORS"); given != "" {
		folder = given
	}
	b := newBench(t, folder)
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

// name makes an id of a vector's id and a word.
func (v vector) name(word string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, v.ID+"-"+word)
}
