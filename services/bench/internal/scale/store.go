package scale

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/keyward/keyward/services/bench/internal/cases"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// kept are the files of a filled site.
var kept = []string{"vault.db", "vault.kek", "allowlist.db", "allowlist.kek"}

// complete is the file that marks a complete folder.
const complete = "complete"

// filled returns the folder with the filled stores. It fills them if they do not exist.
func (s *size) filled(ctx context.Context) (folder string, err error) {
	folder = filepath.Join(s.Cache, fmt.Sprintf("%s-%d-%d", s.form, s.secrets, s.endpoints))
	if _, err := os.Stat(filepath.Join(folder, complete)); err == nil {
		s.progress("%d secrets: using %s", s.secrets, folder)
		return folder, nil
	}
	// Remains of an interrupted run are useless.
	if err := errors.Join(os.RemoveAll(folder), os.MkdirAll(folder, 0o700)); err != nil {
		return "", fmt.Errorf("create folder: %w", err)
	}
	s.progress("%d secrets: filling %s", s.secrets, folder)
	begun := time.Now()
	if err := s.open(ctx, folder); err != nil {
		return "", err
	}
	if err := errors.Join(s.fill(ctx), s.site.Close()); err != nil {
		return "", err
	}
	if err := errors.Join(os.Remove(filepath.Join(folder, "vault.log")), os.Remove(filepath.Join(folder, "allowlist.log"))); err != nil {
		return "", err
	}
	s.progress("%d secrets: filled in %.0fs", s.secrets, time.Since(begun).Seconds())
	return folder, os.WriteFile(filepath.Join(folder, complete), nil, 0o600)
}

func (s *size) fill(ctx context.Context) error {
	if _, err := s.site.Start(ctx, site.Vault); err != nil {
		return err
	}
	if err := s.world.FillVault(ctx); err != nil {
		return err
	}
	if _, err := s.site.Start(ctx, site.Allowlist); err != nil {
		return err
	}
	return s.world.FillAllowlist(ctx)
}

func copyStores(to, from string) error {
	for _, name := range kept {
		if err := copyFile(filepath.Join(to, name), filepath.Join(from, name)); err != nil {
			return fmt.Errorf("copy stores: %w", err)
		}
	}
	return nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync() // or the measurement waits for it
}

// storedForm identifies the stored form of the vault: a filled store of another form is not used.
// It is a hash of the description of the store and of the kinds of rows that changes write.
func storedForm(ctx context.Context, programs string) (form string, err error) {
	folder, err := os.MkdirTemp("", "keyward-bench-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	s, err := site.New(ctx, folder, programs)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	w, err := cases.New(s, 0, 0)
	if err != nil {
		return "", err
	}
	if _, err := s.Start(ctx, site.Vault); err != nil {
		return "", err
	}
	if err := s.Stop(site.Vault); err != nil {
		return "", err
	}
	writes, err := w.Learn(ctx, s.Path("vault.db"))
	if err != nil {
		return "", err
	}
	description, err := rows.Description(s.Path("vault.db"))
	if err != nil {
		return "", err
	}
	for _, row := range append(writes.Create.Put, writes.Update.Put...) {
		description = append(description, row.Shape)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", description))
	return hex.EncodeToString(sum[:4]), nil
}
