package cli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestARestoreIsPrinted(t *testing.T) {
	t.Parallel()
	at := timestamppb.New(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	r := &vaultv1.Restore{
		RestoreTime: at, Epoch: "abc", Reason: "the disk failed", LostCheckpoints: []string{"a head"}, Pending: true,
		Resolvers: []*vaultv1.ResolverReconciliation{{Resolver: "spiffe://a/b", ReconcileTime: at}, {Resolver: "spiffe://a/other"}},
	}
	for _, tt := range []struct {
		name    string
		restore *vaultv1.Restore
		want    string
	}{
		{"none", nil, "the vault was never restored\n"},
		{"pending", r, `restored      2030-01-02T03:04:05Z
reason        the disk failed
epoch         abc
lost heads    1
changes held  yes

RESOLVER          RECONCILED
spiffe://a/b      2030-01-02T03:04:05Z
spiffe://a/other  not yet
`},
		{"released", &vaultv1.Restore{RestoreTime: at, Epoch: "abc", ReleaseTime: at}, `restored      2030-01-02T03:04:05Z
reason        
epoch         abc
lost heads    0
changes held  no
released      2030-01-02T03:04:05Z
`},
	} {
		var out strings.Builder
		if err := printRestore(&out, tt.restore); err != nil || out.String() != tt.want {
			t.Errorf("%s: printRestore() = %v, prints\n%s\nwant\n%s", tt.name, err, out.String(), tt.want)
		}
	}
}
