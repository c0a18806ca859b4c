package limit

import (
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/services/bench/internal/rows"
)

func part(kind rows.Kind, text string) rows.Part { return rows.Part{Kind: kind, Bytes: []byte(text)} }

// writes are those of a small layout: a secret, an entry of a log, a head, and a list by time whose
// entry an update moves.
func writes() rows.Writes {
	secret := rows.Row{Shape: "secret", Bytes: 400, Each: 1, Key: []rows.Part{part(rows.Literal, "secret"), part(rows.ID, "payments-12345678")}}
	time := rows.Row{Shape: "time", Bytes: 4, Each: 1, Key: []rows.Part{part(rows.Literal, "time"), part(rows.Counter, "\x00\x00\x00\x00\x00\x00\x00\x01"), part(rows.ID, "payments-12345678")}}
	log := rows.Row{Shape: "log", Bytes: 300, Each: 1, Key: []rows.Part{part(rows.Literal, "log"), part(rows.Counter, "\x00\x00\x00\x00\x00\x00\x00\x01")}}
	head := rows.Row{Shape: "head", Bytes: 100, Key: []rows.Part{part(rows.Literal, "head")}}
	return rows.Writes{
		Create: rows.Change{Put: []rows.Row{secret, time, log, head}},
		Update: rows.Change{Put: []rows.Row{secret, time, log, head}, Delete: []rows.Row{time}},
	}
}

func TestTheFloorWritesTheRowsOfTheChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "floor.db")
	const before, creates, updates = 10, 50, 60
	c, err := NewCommitter(t.Context(), path, writes(), before)
	if err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	for range creates {
		group.Go(func() error { return c.Create(t.Context(), make([]byte, 290)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for range updates {
		group.Go(func() error { return c.Update(t.Context(), make([]byte, 290)) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := rows.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	// A secret and its entry in the list by time, an entry of the log for each change, and the head.
	if want := 2*(before+creates) + before + creates + updates + 1; len(got) != want {
		t.Errorf("the store has %d rows, want %d", len(got), want)
	}
}
