package cache

import (
	"testing"
	"time"
)

func TestSecretThatIsGoneIsToldOnce(t *testing.T) {
	t.Parallel()
	told := make(chan string, 8)
	k := newKit(t, Config{MaxStale: time.Minute, Deleted: func(secret, uid string) { told <- secret + "#" + uid }})
	for _, secret := range []string{"before", "gone", "there"} {
		k.vault.rotate(secret)
	}
	k.vault.remove("before") // of which nobody who begins now has to be told
	k.run(t)
	k.vault.rotate("there")
	k.vault.hangUp() // what comes next is told by the stream that resumes
	k.vault.remove("gone")
	k.vault.rotate("there")
	select {
	case got := <-told:
		if got != "gone#uid" {
			t.Errorf("%s is told to be gone, want gone#uid", got)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is told to be gone in time")
	}
	k.caughtUp(t)
	if len(told) > 0 {
		t.Errorf("%s is told to be gone as well", <-told)
	}
}
