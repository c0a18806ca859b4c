package secret

import (
	"iter"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// # Numbers of versions
//
// The numbers of the versions of a secret are consecutive until the vault is restored. The restored data
// does not say which numbers were assigned after the backup, so the first version that is added after a
// restore gets a much higher one ([restore.Restore.Next]). The secret's row has the ranges that are
// skipped, because each other number up to the last must have a row. It also has the number of
// restores when the last version was added, so a restore need not change all secrets.

// nextVersion returns the number of the next version and the number of restores.
func (s Secret) nextVersion(r kv.Reader) (number, restores uint32, err error) {
	last, err := restore.Load(r)
	if err != nil {
		return 0, 0, err
	}
	return last.Next(s.Last, s.Restores), last.Count, nil
}

// addNumber makes a number that nextVersion returned that of the last version.
func (s *Secret) addNumber(number, restores uint32) {
	if number > s.Last+1 {
		s.Skipped = append(slices.Clip(s.Skipped), Span{First: s.Last + 1, Last: number - 1})
	}
	s.Last, s.Restores = number, restores
}

// has reports whether a version has a number, according to the secret's row.
func (s *Secret) has(number uint32) bool {
	return 0 < number && number <= s.Last && !within(s.Skipped, number)
}

// numbers yields the numbers of all versions up to last, in order.
func (s *Secret) numbers(last uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		next := uint32(1)
		for _, skipped := range append(slices.Clip(s.Skipped), Span{First: last + 1, Last: last}) {
			for ; next < skipped.First && next <= last; next++ {
				if !yield(next) {
					return
				}
			}
			next = skipped.Last + 1
		}
	}
}

// within reports whether one of the spans has a number.
func within(spans []Span, number uint32) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.First <= number && number <= s.Last })
}

// size returns how many numbers the spans have together.
func size(spans []Span) (numbers int64) {
	for _, s := range spans {
		numbers += int64(s.Last-s.First) + 1
	}
	return numbers
}
