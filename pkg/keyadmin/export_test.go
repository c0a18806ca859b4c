package keyadmin

import "context"

// Retire does the background work once.
func (a *Admin) Retire(ctx context.Context) error { return a.retire(ctx) }
