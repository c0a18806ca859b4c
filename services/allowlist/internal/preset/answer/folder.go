package answer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// CheckFolder checks the presets of an operator's folder, as [preset.Open] does at a start, and
// verifies their known answers. It prints each preset with the purposes of its keys, its unsafe
// choices, and the number of its known answers.
func CheckFolder(w io.Writer, dir string, now time.Time) error {
	builtIn, err := preset.New()
	if err != nil {
		return err
	}
	l, err := preset.Open(dir, now)
	if err != nil {
		return err
	}
	var errs []error
	own := 0
	for _, p := range l.List() {
		if builtIn.Find(p.GetId()) != nil {
			continue
		}
		own++
		verified, err := verifyFile(l, filepath.Join(dir, p.GetId()+preset.AnswerSuffix), p.GetId(), now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", p.GetId(), preset.AnswerSuffix, err))
		}
		if _, err := io.WriteString(w, summary(p, verified)); err != nil {
			return fmt.Errorf("print the presets: %w", err)
		}
	}
	if own == 0 {
		return errors.New("the folder has no presets")
	}
	return errors.Join(errs...)
}

// verifyFile verifies the known answers of a file, if it exists, and returns how many are right.
func verifyFile(l *preset.Library, name, id string, now time.Time) (verified int, err error) {
	text, err := preset.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	answers, err := Parse(id, text)
	if err != nil {
		return 0, err
	}
	var errs []error
	for i, a := range answers {
		if err := a.Verify(l, now); err != nil {
			errs = append(errs, fmt.Errorf("[%d]: %w", i, err))
			continue
		}
		verified++
	}
	return verified, errors.Join(errs...)
}

// summary returns the lines about a preset.
func summary(p *allowlistv1.Preset, verified int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s\n", p.GetId(), p.GetDisplayName())
	purposes := make(map[string][]string)
	for _, purpose := range p.GetKeyPurposes() {
		purposes[purpose.GetSecret()] = purpose.GetChains()
	}
	for _, secret := range p.GetSecrets() {
		fmt.Fprintf(&text, "  secret %s (%s)\n", secret.GetName(), secret.GetUsage())
		for _, chain := range purposes[secret.GetName()] {
			fmt.Fprintf(&text, "    purpose %s\n", chain)
		}
		if secret.GetUsage() == "KEY" && len(purposes[secret.GetName()]) == 0 {
			text.WriteString("    purpose depends on a setting\n")
		}
	}
	for _, flag := range p.GetLegacy() {
		fmt.Fprintf(&text, "  unsafe choice %s\n", strings.TrimPrefix(flag.String(), "FLAG_"))
	}
	fmt.Fprintf(&text, "  known answers verified: %d\n", verified)
	return text.String()
}
