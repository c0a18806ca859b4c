package api

import (
	"context"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// ListPresets lists the presets.
func (s *Server) ListPresets(context.Context, *allowlistv1.ListPresetsRequest) (*allowlistv1.ListPresetsResponse, error) {
	return &allowlistv1.ListPresetsResponse{Presets: s.presets.List()}, nil
}
