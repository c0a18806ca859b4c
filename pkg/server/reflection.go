package server

import (
	"strings"

	"github.com/keyward/keyward/pkg/fault"
)

// reflected admits reflection requests according to the configuration. If reflection is off, the
// method does not exist.
func (r *request) reflected() (err error) {
	if r.server.config.Reflection != reflectionAuthenticated || !strings.HasPrefix(r.method.service, "grpc.reflection.") {
		return nil
	}
	if r.caller, err = r.server.steps.authenticator.Authenticate(r); err != nil {
		return err
	}
	if len(r.caller.Grants) == 0 {
		return fault.New(fault.PermissionDenied, fault.Denied, "permission denied")
	}
	return nil
}
