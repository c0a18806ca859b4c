package backup

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/verify"
)

// Compare returns an [Options.Check] that verifies the rows of a service as [verify.Opened] does, and
// fails if they differ from what the service stored. Report of the options receives each difference.
func Compare(s verify.Service, o verify.Options) func(ctx context.Context, restored Source) error {
	return func(ctx context.Context, restored Source) error {
		result, err := verify.Opened(ctx, s, restored.Store, restored.Keys, o)
		if err == nil && result.Differences > 0 {
			err = fmt.Errorf("the backup differs in %d places from what the program stored", result.Differences)
		}
		return err
	}
}
