package cache

import (
	"testing"
	"time"
)

func TestARestartOfTheVaultIsReported(t *testing.T) {
	t.Parallel()
	for name, maxStale := range map[string]time.Duration{"by the watch": time.Minute, "by an answer, without a watch": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reported := make(chan struct{}, 8)
			k := newKit(t, Config{MaxStale: maxStale, Restarted: func() { reported <- struct{}{} }})
			k.vault.rotate("a")
			hear := func() {
				if maxStale > 0 {
					return
				}
				v, err := k.resolve(t.Context(), Ref{Secret: "a", UID: "uid"})
				if err != nil {
					t.Fatal(err)
				}
				v.Plain.Zero()
			}
			if maxStale > 0 {
				k.run(t)
			}
			hear()
			k.vault.hangUp()
			hear()
			if len(reported) > 0 {
				t.Error("a restart was reported although the stream only broke")
			}
			for what, restart := range map[string]func(){
				"restart": func() { k.vault.rerun("third", nil) },
				"restore": func() { k.vault.restart("second") },
			} {
				restart()
				hear()
				select {
				case <-reported:
				case <-time.After(20 * time.Second):
					t.Fatalf("no %s was reported", what)
				}
			}
		})
	}
}
