package fault_test

import (
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
)

func TestAQuotaThatIsUsedUpSaysWhoseAndWhenThereIsMore(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		10 * time.Millisecond:   "too many requests; try again in a second",
		time.Second:             "too many requests; try again in 1s",
		1500 * time.Millisecond: "too many requests; try again in 2s",
		6 * time.Minute:         "too many requests; try again in 6m0s",
	} {
		err := fault.Exhausted(fault.QuotaCaller, "too many requests", wait)
		if err.Message != want || err.RetryAfter != wait || err.Metadata["quota"] != "caller" || err.Reason != fault.RateLimited {
			t.Errorf("Exhausted(%v) = %+v, want %q", wait, err, want)
		}
	}
	if err := fault.Exhausted("", "too much work", time.Second); err.Metadata != nil {
		t.Errorf("metadata = %v, want none", err.Metadata)
	}
}
