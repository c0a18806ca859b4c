package allowlist

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/inventory"
	"github.com/keyward/keyward/pkg/verify"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// A Prospect is what would happen to an endpoint, to a binding, or between the programs, if the data files of
// this allowlist and of a vault were put back together. Its Secret and its Referrer are empty if it concerns
// the programs.
type Prospect = endpoint.Prospect

// Foresee compares an allowlist that was verified with the inventory of a vault, and reports what the
// allowlist would find after a restore of both: first the refusals until a super admin confirms the restore, then
// bindings and endpoints. It is a [verify.Options.Use].
func Foresee(store verify.Store, cfg Config, vault io.Reader, report func(Prospect)) error {
	size, err := witness.Size(store)
	if err != nil {
		return err
	}
	listed, err := inventory.Read(vault, size)
	if err != nil {
		return err
	}
	holder, err := cfg.Vault.holder(store, listed)
	if err != nil {
		return err
	}
	refusals, err := witness.Foresee(store, store.Log, holder, listed)
	if err != nil {
		return err
	}
	for _, r := range refusals {
		report(Prospect{Reason: string(r.Reason), Because: r.Because})
	}
	return endpoint.Foresee(store, holder, listed, report)
}

// holder returns the name of the allowlist in the vault: that of its certificate, or with a Workload API, the one
// under which the vault has verified a head of the allowlist's log. It is empty if the vault knows none.
func (c VaultConfig) holder(store verify.Store, vault *inventory.Inventory) (string, error) {
	if c.WorkloadAPI == "" {
		return certificateName(c.Certificate)
	}
	for name, head := range vault.Witnessed {
		if _, _, err := store.Log.Extends(store, head.Checkpoint, nil); err == nil {
			return name, nil
		} else if !errors.Is(err, changelog.ErrForeign) {
			return "", err
		}
	}
	return "", nil
}

// certificateName returns the SPIFFE ID of a certificate in a file.
func certificateName(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read vault.certificate: %w", err)
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return "", errors.New("read vault.certificate: the file contains no certificate")
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("read vault.certificate: %w", err)
	}
	return workloadName(leaf)
}
