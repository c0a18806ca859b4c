package changelog

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
)

// maxListed is the maximum number of entries in a listing. It limits the number of unneeded
// entries that a reader of a few entries reads.
const maxListed = 64

// indexed collects the additions of one commit to the indexes: the sequence numbers of its entries
// by key prefix. Writing them together makes a commit of many changes in one workspace cheap.
type indexed map[string][]uint64

func (x indexed) add(prefix []byte, sequence uint64) {
	x[string(prefix)] = append(x[string(prefix)], sequence)
}

func (x indexed) write(put func(key, value []byte) error) error {
	for prefix, sequences := range x {
		for listed := range slices.Chunk(sequences, maxListed) {
			if err := put(kv.Key(prefix).Uint(listed[0]), encodeListing(listed[1:])); err != nil {
				return fmt.Errorf("index entries: %w", err)
			}
		}
	}
	return nil
}

// newest returns the greatest listed sequence numbers of a prefix that are smaller than before, in
// descending order, at most limit of them.
func newest(r kv.Reader, prefix kv.Key, before uint64, limit int) ([]uint64, error) {
	// Each listing in the range has at least one: the one in its key.
	within := kv.Range{Start: prefix, End: prefix.Uint(before), Limit: limit, Reverse: true}
	return listed(r, within, len(prefix), limit, func(sequence uint64) bool { return sequence < before })
}

// oldest returns the smallest listed sequence numbers of a prefix that are at least from, in
// order, at most limit of them.
func oldest(r kv.Reader, prefix kv.Key, from uint64, limit int) ([]uint64, error) {
	within := kv.Range{Start: prefix.Uint(from), End: kv.After(prefix), Limit: limit}
	// A listing that starts before the range may extend into it.
	for pair, err := range r.Scan(kv.Range{Start: prefix, End: within.Start, Limit: 1, Reverse: true}) {
		if err != nil {
			return nil, fmt.Errorf("read index: %w", err)
		}
		within.Start = pair.Key
		within.Limit++
	}
	return listed(r, within, len(prefix), limit, func(sequence uint64) bool { return sequence >= from })
}

// listed returns the sequence numbers of the listings in a range for which match reports true, in
// the order of the range, at most limit of them. Prefix is the length of the keys without the
// sequence number.
func listed(r kv.Reader, within kv.Range, prefix, limit int, match func(uint64) bool) (sequences []uint64, err error) {
	for pair, err := range r.Scan(within) {
		if err != nil {
			return nil, fmt.Errorf("read index: %w", err)
		}
		listing, err := decodeListing(pair, prefix)
		if err != nil {
			return nil, err
		}
		if within.Reverse {
			slices.Reverse(listing)
		}
		for _, sequence := range listing {
			if match(sequence) && len(sequences) < limit {
				sequences = append(sequences, sequence)
			}
		}
		if len(sequences) == limit {
			break
		}
	}
	return sequences, nil
}

// encodeListing returns the value of a listing: the sequence numbers that follow the one in its
// key.
func encodeListing(behind []uint64) []byte {
	value := make([]byte, 0, 8*len(behind))
	for _, sequence := range behind {
		value = binary.BigEndian.AppendUint64(value, sequence)
	}
	return value
}

// decodeListing returns the sequence numbers of a listing, in order. Prefix is the length of its
// key without the sequence number.
func decodeListing(pair kv.Pair, prefix int) ([]uint64, error) {
	sequence, rest, err := kv.CutUint(pair.Key[prefix:])
	if err != nil || len(rest) != 0 || len(pair.Value)%8 != 0 || len(pair.Value)/8 >= maxListed {
		return nil, errMalformed
	}
	listed := []uint64{sequence}
	for value := pair.Value; len(value) > 0; value = value[8:] {
		next := binary.BigEndian.Uint64(value)
		if next <= sequence {
			return nil, errMalformed
		}
		sequence = next
		listed = append(listed, sequence)
	}
	return listed, nil
}
