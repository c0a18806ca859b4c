package changelog

import "github.com/keyward/keyward/pkg/kv"

// Successions returns the stored successions of keys, oldest first.
func (l *Log) Successions(r kv.Reader) ([]string, error) {
	c, err := l.readChain(r)
	return c.notes, err
}
