package cache

import (
	"testing"
	"time"
)

func TestDeletedSecretIsReportedOnce(t *testing.T) {
	t.Parallel()
	reported := make(chan string, 8)
	k := newKit(t, Config{MaxStale: time.Minute, Deleted: func(secret, uid, reason string) { reported <- secret + "#" + uid + ": " + reason }})
	for _, secret := range []string{"before", "gone", "there"} {
		k.vault.rotate(secret)
	}
	k.vault.remove("before") // which a new watch does not need to report
	k.run(t)
	k.vault.rotate("there")
	k.vault.hangUp() // the resumed stream reports the next deletion
	k.vault.remove("gone")
	k.vault.rotate("there")
	select {
	case got := <-reported:
		if got != "gone#uid: why" {
			t.Errorf("%q is reported as deleted, want gone#uid with its reason", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no deletion was reported in time")
	}
	k.caughtUp(t)
	if len(reported) > 0 {
		t.Errorf("%s is also reported as deleted", <-reported)
	}
}
