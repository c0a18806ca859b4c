package witness

import "context"

// Follow is one round of [Witness.Run].
func (w *Witness) Follow(ctx context.Context) error { return w.exclusively(ctx, w.follow) }
