package vaultclient

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A Count is how a version of a secret was used.
type Count struct {
	// Secret and UID are as they were bound.
	Secret, UID string
	Version     uint32
	// Used is how often with success, Failed how often what it was used on did not open
	// or verify.
	Used, Failed uint64
	// Opened is how often of the used a message was opened that came in.
	Opened uint64
	// Last is when it was last used with success; the zero time: never.
	Last time.Time
}

// Report tells the vault how secrets of a workspace, `workspaces/{workspace}`, were used.
// A report that is made again under its id, with the same counts, counts once. Of what is
// no longer bound the vault takes no notice.
func (v *Vault) Report(ctx context.Context, workspace, id string, counts []Count) error {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	uses := make([]*vaultv1.SecretUse, len(counts))
	for i, c := range counts {
		uses[i] = &vaultv1.SecretUse{Secret: c.Secret, Uid: c.UID, Version: c.Version, Used: c.Used, Failed: c.Failed, Opened: c.Opened}
		if !c.Last.IsZero() {
			uses[i].LastUseTime = timestamppb.New(c.Last)
		}
	}
	_, err := v.client.ReportSecretUses(ctx, &vaultv1.ReportSecretUsesRequest{Parent: workspace, ReportId: id, Uses: uses})
	if err != nil {
		return translate(ctx, "report uses", err)
	}
	return nil
}
