package boltkv

import (
	"math"
	"math/bits"
	"os"
	"sync/atomic"
)

// A bitmap is a set of pages. Adding to it is safe for concurrent use.
type bitmap []uint32

func newBitmap(pages uint64) bitmap { return make(bitmap, (pages+31)/32) }

// add adds a page and reports whether the set already contained it.
func (b bitmap) add(page uint64) bool {
	bit := uint32(1) << (page % 32)
	return atomic.OrUint32(&b[page/32], bit)&bit != 0
}

func (b bitmap) has(page uint64) bool { return b[page/32]&(1<<(page%32)) != 0 }

// remove removes a page and reports whether the set contained it.
func (b bitmap) remove(page uint64) bool {
	had := b.has(page)
	b[page/32] &^= 1 << (page % 32)
	return had
}

// count returns the number of pages in the set.
func (b bitmap) count() (n int) {
	for _, word := range b {
		n += bits.OnesCount32(word)
	}
	return n
}

// grow makes room for a number of pages.
func (b *bitmap) grow(pages uint64) {
	if more := len(newBitmap(pages)) - len(*b); more > 0 {
		*b = append(*b, make(bitmap, more)...)
	}
}

// run returns the first successive pages of the set from a page on, at most limit of them, or none.
func (b bitmap) run(from, limit uint64) (first, count uint64) {
	end := uint64(len(b)) * 32
	for first = from; first < end && !b.has(first); first++ {
		if first%32 == 0 && b[first/32] == 0 {
			first += 31
		}
	}
	for first+count < end && count < limit && b.has(first+count) {
		count++
	}
	return first, count
}

// saveFreePages writes the list of the free pages to the file, as a commit of bbolt would. bbolt
// then does not have to read the whole tree a second time to find them. It uses a list only after a
// start: its first commit drops the list, and further commits do not pay for writing it.
//
// Like a commit, it writes to free pages first, and then to the older one of the root pages.
func (l layout) saveFreePages(file *os.File) error {
	free := l.freePages()
	size := uint64(l.meta.pageSize)
	pages := (pageHeader + 8*uint64(len(free)+1) + size - 1) / size // with room for the number of pages
	at, highWater := l.meta.highWater, l.meta.highWater+pages
	if i, ok := run(free, pages); ok {
		at, highWater = free[i], l.meta.highWater
		free = append(free[:i], free[i+int(pages):]...)
	}

	list := make([]byte, pageHeader, pages*size)
	native.PutUint64(list[0:], at)
	native.PutUint16(list[8:], freelistFlag)
	native.PutUint16(list[10:], uint16(min(len(free), math.MaxUint16)))
	native.PutUint32(list[12:], uint32(pages-1))
	if len(free) >= math.MaxUint16 {
		list = native.AppendUint64(list, uint64(len(free)))
	}
	for _, id := range free {
		list = native.AppendUint64(list, id)
	}
	if err := writeAndSync(file, list[:cap(list)], at*size); err != nil {
		return err
	}
	return writeAndSync(file, l.meta.successor(at, highWater), (l.meta.tx+1)%2*size)
}

// freePages returns the pages below the high water mark that the tree does not use.
func (l layout) freePages() (free []uint64) {
	for id := uint64(firstDataPage); id < l.meta.highWater; id++ {
		if !l.used.has(id) {
			free = append(free, id)
		}
	}
	return free
}

// run returns the index at which a number of successive pages starts.
func run(sorted []uint64, pages uint64) (int, bool) {
	n := int(pages)
	for i := 0; i+n <= len(sorted); i++ {
		if sorted[i+n-1]-sorted[i] == pages-1 {
			return i, true
		}
	}
	return 0, false
}

// successor returns the next root page, with the same tree and a list of free pages.
func (m meta) successor(list, highWater uint64) []byte {
	page := make([]byte, pageHeader+metaSize)
	native.PutUint64(page[0:], (m.tx+1)%2)
	native.PutUint16(page[8:], metaFlag)
	b := page[pageHeader:]
	copy(b, m.raw[:])
	native.PutUint64(b[32:], list)
	native.PutUint64(b[40:], highWater)
	native.PutUint64(b[48:], m.tx+1)
	native.PutUint64(b[metaSummed:], metaSum(b))
	return page
}

func writeAndSync(file *os.File, b []byte, at uint64) error {
	if _, err := file.WriteAt(b, int64(at)); err != nil {
		return err
	}
	return file.Sync()
}
