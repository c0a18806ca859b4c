package witness_test

import (
	"strconv"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// sizeOf returns the size that a checkpoint states in its second line.
func sizeOf(t *testing.T, checkpoint string) float64 {
	t.Helper()
	size, err := strconv.ParseFloat(strings.Split(checkpoint, "\n")[1], 64)
	allowlisttest.Must(t, err)
	return size
}

func TestMetricsShowHowMuchOfEachLogIsWitnessed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, when := range []string{"at first", "after more changes"} {
		k.Secret(t, "key-"+strings.ReplaceAll(when, " ", "-"))
		own, err := k.Admin.GetCheckpoint(t.Context(), &allowlistv1.GetCheckpointRequest{Parent: everywhere})
		allowlisttest.Must(t, err)
		for service, want := range map[string]float64{"vault": sizeOf(t, headOf(t, k)), "allowlist": sizeOf(t, own.GetCheckpoint())} {
			allowlisttest.Eventually(t, func() bool {
				return k.Labeled(t, "keyward_log_witnessed_size", service) >= want
			}, "the newest head of the %s is not witnessed %s", service, when)
		}
		if size, want := k.Labeled(t, "keyward_log_size", "allowlist"), sizeOf(t, own.GetCheckpoint()); size < want {
			t.Errorf("the log of the allowlist has %v entries %s, want %v", size, when, want)
		}
	}
}
