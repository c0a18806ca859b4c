package allowlist

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// Endpoints returns the endpoints of a stopped allowlist that can be read, as text, by name.
func Endpoints(ctx context.Context, cfg Config, names ...string) (map[string]string, error) {
	found := make(map[string]string)
	err := inspect(ctx, cfg, slog.New(slog.DiscardHandler), func(a *Allowlist) error {
		for _, text := range names {
			name, err := endpoint.ParseName(text)
			if err != nil {
				return err
			}
			if e, err := a.endpoints.Get(ctx, name); err == nil {
				found[text] = fmt.Sprintf("%+v", e)
			}
		}
		return nil
	})
	return found, err
}
