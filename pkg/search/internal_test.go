package search

import (
	"fmt"
	"testing"
)

// A writer waits for a piece of a search and not for all of it.
func TestASearchReleasesTheIndexBetweenPieces(t *testing.T) {
	t.Parallel()
	index := NewIndex()
	for i := range 100_000 {
		index.put("w", fmt.Sprintf("id-%06d", i), true)
	}
	chunks := len(index.workspaces["w"].chunks)
	for _, reverse := range []bool{false, true} {
		s := &search{query: []byte("nothing"), reverse: reverse, limit: 1}
		pieces := 1
		for index.piece("w", s) {
			pieces++
		}
		if least := chunks / pieceSize; pieces < least {
			t.Errorf("a search of %d chunks, reverse %t, takes %d pieces, want at least %d", chunks, reverse, pieces, least)
		}
	}
}

// Splitting and removing leave no small chunks behind: they would cost memory and time.
func TestChunksStayFilled(t *testing.T) {
	t.Parallel()
	const count = 50_000
	index := NewIndex()
	for i := range count {
		index.put("w", fmt.Sprintf("id-%06d", i*7919%count), true)
	}
	size := count * len("id-000000\n")
	if got, most := len(index.workspaces["w"].chunks), 2*size/chunkSize+1; got > most {
		t.Errorf("%d IDs in random order are in %d chunks, want at most %d", count, got, most)
	}
	for i := range count {
		if i%10 != 0 {
			index.put("w", fmt.Sprintf("id-%06d", i), false)
		}
	}
	if got, most := len(index.workspaces["w"].chunks), 5*size/10/chunkSize+1; got > most {
		t.Errorf("after most IDs are removed, the rest are in %d chunks, want at most %d", got, most)
	}
}
