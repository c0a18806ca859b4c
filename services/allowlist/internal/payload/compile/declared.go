package compile

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/purpose"
)

// maxChains and maxChainBytes limit the purpose of one KEY.
const (
	maxChains     = 16
	maxChainBytes = 512
)

// declared checks the uses elsewhere that a configuration declares for its keys.
func (f *Violations) declared(pb *allowlistv1.Encryption) {
	made := purpose.Made(pb)
	for i, declared := range pb.GetAlsoUsedFor() {
		field := declaredField(i)
		if name := declared.GetKey().GetName(); name != "" && made[name] == (purpose.Purpose{}) {
			f.Add(field+".key", "must be a KEY that the configuration uses itself")
		}
		for j, chain := range declared.GetChains() {
			if len(chain) > maxChainBytes || !purpose.IsChain(chain) || strings.ContainsFunc(chain, unprintable) {
				f.Add(field+chainField(j), "must be a chain as GetEndpoint shows it in key_purposes")
			}
		}
	}
	for _, p := range purpose.Of(pb) {
		if len(p.List()) > maxChains {
			f.Add(root, "must not use a KEY in more than 16 ways")
		}
	}
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }

func declaredField(i int) string { return fmt.Sprintf("%s.also_used_for[%d]", root, i) }

func chainField(i int) string { return fmt.Sprintf(".chains[%d]", i) }
