package vaultclient

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A Count is the number of uses of a version of a secret.
type Count struct {
	// Secret and UID identify the secret that was bound.
	Secret, UID string
	Version     uint32
	// Used is the number of successful uses. Failed is the number of messages that failed to
	// decrypt or verify.
	Used, Failed uint64
	// Opened is the number of successful uses that decrypted an incoming message.
	Opened uint64
	// Last is the time of the last successful use; zero if it was never used.
	Last time.Time
}

// Report reports the uses of secrets of a workspace, `workspaces/{workspace}`, to the vault. A
// repeated report with the same ID and the same counts counts once. The vault ignores secrets that
// are no longer bound.
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
