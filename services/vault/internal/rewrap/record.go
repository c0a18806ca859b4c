package rewrap

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

func rowKey() kv.Key { return kv.NewKey("rewrap") }

// load returns the stored state, which is zero if there was no operation.
func load(r kv.Reader) (State, error) {
	row, err := r.Get(rowKey())
	if errors.Is(err, kv.ErrNotFound) {
		return State{}, nil
	}
	if err != nil {
		return State{}, fmt.Errorf("read state: %w", err)
	}
	var m stored.Rewrap
	if err := proto.Unmarshal(row, &m); err != nil {
		return State{}, errors.New("read state: malformed record")
	}
	return State{
		Phase: m.GetState(), Started: kv.TimeOf(m.GetStarted()), Ended: kv.TimeOf(m.GetEnded()),
		Done: m.GetDone(), Total: m.GetTotal(), Rewrapped: m.GetRewrapped(), Failed: m.GetFailed(),
		Rate: max(m.GetRate(), 1), Key: m.GetKey(), position: m.GetPosition(),
	}, nil
}

func save(tx kv.Tx, s State) error {
	row, err := proto.Marshal(&stored.Rewrap{
		State: s.Phase, Started: kv.Nanos(s.Started), Ended: kv.Nanos(s.Ended), Position: s.position,
		Done: s.Done, Total: s.Total, Rewrapped: s.Rewrapped, Failed: s.Failed, Rate: s.Rate, Key: s.Key,
	})
	if err != nil {
		return errors.New("encode state: it is not valid UTF-8")
	}
	if err := tx.Put(rowKey(), row); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
