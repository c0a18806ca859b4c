package keys

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/memory"
)

// maxMade is how many objects a [Made] keeps: keys times their versions, as far as they are
// in use.
const maxMade = 8

// A Made keeps objects that libraries make of keys, such as a cipher, which hold the key, or
// what is as good, and have no way to wipe it. If each message made its own, each would leave
// one behind; see package memory for what it costs to have that erased. The zero Made is
// empty. It may be used from many goroutines.
//
// Objects are found by the SHA-256 of the key, which tells no more than the object itself.
type Made[Object any] struct {
	mutex sync.Mutex
	known [maxMade]made[Object]
	next  int
	// forgetting says that a call of forget is to come.
	forgetting bool
}

type made[Object any] struct {
	of     [sha256.Size]byte
	object Object
	used   time.Time // zero: there is none
}

// Get returns the object of a key, which build makes if it is not there. The object is kept until
// it has not been used for as long as unused.
func (m *Made[Object]) Get(key []byte, unused time.Duration, build func() (Object, error)) (Object, error) {
	var of [sha256.Size]byte
	memory.Do(func() { of = sha256.Sum256(key) })
	if object, ok := m.find(&of); ok {
		return object, nil
	}
	var object Object
	var err error
	memory.Do(func() { object, err = build() })
	if err == nil {
		m.keep(&of, object, unused)
	}
	return object, err
}

func (m *Made[Object]) find(of *[sha256.Size]byte) (object Object, ok bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for i := range m.known {
		if k := &m.known[i]; k.of == *of && !k.used.IsZero() {
			k.used = time.Now()
			return k.object, true
		}
	}
	return object, false
}

// keep keeps an object in the place of the oldest.
func (m *Made[Object]) keep(of *[sha256.Size]byte, object Object, unused time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.known[m.next] = made[Object]{of: *of, object: object, used: time.Now()}
	m.next = (m.next + 1) % maxMade
	if !m.forgetting {
		m.forgetting = true
		time.AfterFunc(unused, func() { m.forget(unused) })
	}
}

// forget drops unused objects, and schedules itself again while others are left.
func (m *Made[Object]) forget(unused time.Duration) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var next time.Duration
	for i := range m.known {
		k := &m.known[i]
		switch left := unused - time.Since(k.used); {
		case k.used.IsZero():
		case left <= 0:
			*k = made[Object]{}
			memory.Used() // its object is garbage now
		case next == 0 || left < next:
			next = left
		}
	}
	if m.forgetting = next > 0; m.forgetting {
		time.AfterFunc(next, func() { m.forget(unused) })
	}
}
