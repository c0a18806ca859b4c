package allowlist

import (
	"io"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
)

// CheckPresets checks a folder of presets as [New] does for [Config.PresetsDir], verifies the known
// answers in it, and prints what each preset needs.
func CheckPresets(w io.Writer, dir string) error { return answer.CheckFolder(w, dir, time.Now()) }
