package keys

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/memory"
)

// maxCached is the maximum number of objects in a [Cache]: the keys times their versions, as far
// as they are in use.
const maxCached = 8

// A Cache keeps objects that are built from keys, such as a cipher or a derived key, until they
// have been unused for a while. The zero Cache is empty. It is safe for concurrent use.
//
// An object that a library builds from a key holds the key, or an equivalent of it, and has no
// way to wipe it. If each message built its own object, each would leave one in memory. Package
// memory explains what erasing that costs.
type Cache[Object any] struct {
	// Copy returns the copy of an object that a caller gets, and Erase zeroes an object that is
	// dropped. Both may be nil: then callers share the object, and garbage collection erases it.
	Copy  func(Object) Object
	Erase func(Object)

	mutex   sync.Mutex
	entries [maxCached]cached[Object]
	next    int
	// expiring reports whether a call of expire is scheduled.
	expiring bool
}

type cached[Object any] struct {
	of     [sha256.Size]byte
	object Object
	used   time.Time // zero for an empty entry
}

// Get returns the object of a key, and calls build if it is not cached. The object is cached
// until it has been unused for the duration unused. The cache looks it up by the SHA-256 of the
// key, which reveals no more than the object itself does.
func (c *Cache[Object]) Get(key []byte, unused time.Duration, build func() (Object, error)) (Object, error) {
	var of [sha256.Size]byte
	memory.Do(func() { of = sha256.Sum256(key) })
	if object, ok := c.Find(&of); ok {
		return object, nil
	}
	var object Object
	var err error
	memory.Do(func() { object, err = build() })
	if err == nil {
		c.Keep(&of, object, unused)
	}
	return object, err
}

// Find returns the object for a hash that the caller computed from a key.
func (c *Cache[Object]) Find(of *[sha256.Size]byte) (object Object, ok bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for i := range c.entries {
		e := &c.entries[i]
		if e.of != *of || e.used.IsZero() {
			continue
		}
		e.used = time.Now()
		if c.Copy != nil {
			return c.Copy(e.object), true
		}
		return e.object, true
	}
	return object, false
}

// Keep stores an object in place of the oldest one, until it has been unused for the duration
// unused.
func (c *Cache[Object]) Keep(of *[sha256.Size]byte, object Object, unused time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.Copy != nil {
		object = c.Copy(object)
	}
	e := &c.entries[c.next]
	c.drop(e)
	*e = cached[Object]{of: *of, object: object, used: time.Now()}
	c.next = (c.next + 1) % maxCached
	if !c.expiring {
		c.expiring = true
		time.AfterFunc(unused, func() { c.expire(unused) })
	}
}

// drop empties an entry.
func (c *Cache[Object]) drop(e *cached[Object]) {
	if c.Erase != nil && !e.used.IsZero() {
		c.Erase(e.object)
	}
	*e = cached[Object]{}
}

// expire drops unused objects, and schedules itself again while others remain.
func (c *Cache[Object]) expire(unused time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var next time.Duration
	for i := range c.entries {
		e := &c.entries[i]
		switch left := unused - time.Since(e.used); {
		case e.used.IsZero():
		case left <= 0:
			c.drop(e)
			memory.Used() // the objects that libraries built from the key are garbage now
		case next == 0 || left < next:
			next = left
		}
	}
	if c.expiring = next > 0; c.expiring {
		time.AfterFunc(next, func() { c.expire(unused) })
	}
}
