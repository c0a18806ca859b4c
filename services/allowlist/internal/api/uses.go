package api

import (
	"encoding/hex"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
)

func usesToProto(totals []activity.Total) []*allowlistv1.KeyUse {
	pbs := make([]*allowlistv1.KeyUse, 0, len(totals))
	for _, t := range totals {
		pb := &allowlistv1.KeyUse{Secret: t.Secret, Version: t.Version, Used: t.Used, Failed: t.Failed}
		if !t.Last.IsZero() {
			pb.LastUseTime = timestamppb.New(t.Last)
		}
		pbs = append(pbs, pb)
	}
	return pbs
}

func failuresToProto(failures []activity.Failure) []*allowlistv1.MessageFailure {
	pbs := make([]*allowlistv1.MessageFailure, 0, len(failures))
	for _, f := range failures {
		pbs = append(pbs, &allowlistv1.MessageFailure{
			Time: timestamppb.New(f.Time), Stage: f.Stage, BodyBytes: uint32(f.Bytes), // a body has at most 16 MiB
			BodySha256: hex.EncodeToString(f.Hash[:]), Versions: f.Versions, RequestId: f.Request, Cause: f.Cause,
		})
	}
	return pbs
}
