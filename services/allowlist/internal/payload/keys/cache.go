package keys

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/keyward/keyward/pkg/memory"
)

// maxCached is how many objects a [Cache] keeps: keys times their versions, as far as they
// are in use.
const maxCached = 8

// A Cache keeps what is made of keys, such as a cipher or a derived key, until it has been
// unused for a while. The zero Cache is empty. It may be used from many goroutines.
//
// What libraries make of a key holds the key, or what is as good, and has no way to wipe it.
// If each message made its own, each would leave one behind; see package memory for what it
// costs to have that erased.
type Cache[Object any] struct {
	// Copy returns what a caller gets of an object, and Erase zeroes an object that is dropped.
	// Both may be nil: then callers share the object, and garbage collection erases it.
	Copy  func(Object) Object
	Erase func(Object)

	mutex   sync.Mutex
	entries [maxCached]cached[Object]
	next    int
	// expiring says that a call of expire is to come.
	expiring bool
}

type cached[Object any] struct {
	of     [sha256.Size]byte
	object Object
	used   time.Time // zero: there is none
}

// Get returns the object of a key, which build makes if it is not there. The object is kept until
// it has not been used for as long as unused. It is found by the SHA-256 of the key, which tells
// no more than the object itself.
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

// Find returns the object of a hash that its caller made of a key.
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

// Keep keeps an object in the place of the oldest, until it has not been used for as long as
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

// expire drops unused objects, and schedules itself again while others are left.
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
			memory.Used() // what libraries made of the key is garbage now
		case next == 0 || left < next:
			next = left
		}
	}
	if c.expiring = next > 0; c.expiring {
		time.AfterFunc(next, func() { c.expire(unused) })
	}
}
