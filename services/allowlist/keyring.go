package allowlist

import (
	"github.com/keyward/keyward/pkg/keyadmin"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A keyringService answers the methods of allowlist.v1.KeyringService. It has no values that depend on
// keys, so it has no methods to rewrap them.
type keyringService struct {
	allowlistv1.UnsafeKeyringServiceServer
	*keyadmin.Server
}
