package endpoint

import (
	"strconv"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// The reasons of the registry's errors; errors.proto explains them.
const (
	ReasonNotFound    fault.Reason = "ENDPOINT_NOT_FOUND"
	ReasonExists      fault.Reason = "ENDPOINT_EXISTS"
	ReasonNotVerified fault.Reason = "ENDPOINT_NOT_VERIFIED"

	ReasonSuperAdminRequired fault.Reason = "SUPER_ADMIN_REQUIRED"
)

const (
	// maxSecrets is the maximum number of secrets that an endpoint may refer to: the record of a save
	// must fit in one transaction.
	maxSecrets = 48
	// maxVersions is the maximum number of versions of one secret that an endpoint may name. It is
	// the limit of the vault.
	maxVersions = 16
)

// checkNeeds fails if sorted needs have more secrets or versions than a save can bind.
func checkNeeds(needs []Need) error {
	if len(secretsOf(needs)) > maxSecrets {
		return fault.Field("endpoint", "must refer to at most 48 secrets in all")
	}
	versions := make(map[string]int)
	for i, need := range needs {
		again := i > 0 && needs[i-1].Secret == need.Secret && needs[i-1].Version == need.Version
		if need.Version == 0 || again {
			continue
		}
		if versions[need.Secret]++; versions[need.Secret] > maxVersions {
			return fault.Field("endpoint", "must name at most 16 versions of one secret")
		}
	}
	return nil
}

func notFound() error {
	return fault.New(fault.NotFound, ReasonNotFound, "there is no such endpoint")
}

func exists() error {
	return fault.New(fault.AlreadyExists, ReasonExists, "the name is taken by another endpoint")
}

func notVerified() error {
	return fault.New(fault.FailedPrecondition, ReasonNotVerified,
		"only a verified endpoint can be activated; prove that it is yours, or have a super admin approve it")
}

func superAdminRequired(flags string) error {
	return fault.New(fault.PermissionDenied, ReasonSuperAdminRequired,
		"only a super admin may acknowledge this: it breaks the promise that a key cannot be read").With("flags", flags)
}

func tooSoon(wait time.Duration) error {
	return fault.Exhausted("", "the endpoint was verified a moment ago", wait)
}

func secretGone() error {
	return fault.New(fault.NotFound, vaultclient.ReasonSecretNotFound,
		"a secret that the endpoint refers to no longer exists; "+remedy)
}

// contention is the error of a save whose intent no longer exists, or whose endpoint was changed
// in the meantime.
func contention() error {
	return fault.New(fault.Aborted, fault.Contention,
		"another save interfered, or this one took too long; nothing was changed").
		Retry(100 * time.Millisecond)
}

// checkEtag reports a conflict if the caller's revision differs from the stored one. An empty etag
// matches any revision.
func checkEtag(seen string, stored uint64) error {
	current := strconv.FormatUint(stored, 10)
	if seen == "" || seen == current {
		return nil
	}
	return fault.New(fault.Aborted, fault.EtagMismatch,
		"the endpoint changed since it was read; read it again and reapply the change").
		With("etag", current)
}
