package boltkv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/kv"
)

// bbolt's file, as far as it is walked here; numbers are in the machine's byte order.
//
//	page    ┌───────┬──────────┬──────────┬─────────────┬──────────────┐
//	        │ id (8)│ flags (2)│ count (2)│ overflow (4)│ content      │
//	        └───────┴──────────┴──────────┴─────────────┴──────────────┘
//	meta    magic (4) version (4) page size (4) flags (4) root (8) sequence (8)
//	        freelist (8) high water mark (8) transaction (8) FNV-1a of these (8)
//	branch  elements: position (4) key size (4) child (8); keys
//	leaf    elements: flags (4) position (4) key size (4) value size (4); keys, values
//
// A position counts from its element. A leaf element with flag 1 is a bucket, whose
// value is: root (8) sequence (8), and if root is 0 the bucket's only page.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeader    = 16
	elementSize   = 16
	bucketHeader  = 16
	minPageSize   = 1 << 10
	maxPageSize   = 1 << 24
	metaSize      = 64
	metaSummed    = 56
	firstDataPage = 2

	branchFlag   = 0x01
	leafFlag     = 0x02
	metaFlag     = 0x04
	freelistFlag = 0x10
	bucketFlag   = 0x01

	// maxDepth is more than the depth of any tree whose branches have at least two children.
	maxDepth = 64
	// maxShared is the depth down to which the parts of a tree are shared. A tree has the root
	// bucket, then the root of the data, then few levels of branches.
	maxShared = 3
)

var native = binary.NativeEndian

// A meta is a root page of the file.
type meta struct {
	pageSize  int64
	root      uint64
	highWater uint64
	tx        uint64
	raw       [metaSize]byte
}

// A layout is a file that has been inspected: its root page, and which pages its tree uses.
type layout struct {
	content []byte
	meta    meta
	used    bitmap
}

// inspect checks all used pages of a file that no process is writing. It returns an error that
// wraps ErrForeign or kv.ErrCorrupt unless bbolt can open the file safely.
func inspect(content []byte) (layout, error) {
	m, err := newestMeta(content)
	if err != nil {
		return layout{}, err
	}
	if m.highWater > uint64(int64(len(content))/m.pageSize) {
		return layout{}, damaged("the file is shorter than it says")
	}
	w := walker{layout: layout{content: content, meta: m, used: newBitmap(m.highWater)}}
	w.helpers.SetLimit(runtime.GOMAXPROCS(0))
	err = w.page(m.root, nil, nil, 0)
	if helped := w.helpers.Wait(); err == nil {
		err = helped
	}
	return w.layout, err
}

func damaged(what string) error { return fmt.Errorf("%w: %s", kv.ErrCorrupt, what) }

// newestMeta returns the root page that bbolt will use. One is at the start of the file, the other
// one page later, and either may be torn.
func newestMeta(content []byte) (meta, error) {
	first, verdict := readMeta(content, 0)
	if verdict == nil {
		second, err := readMeta(content, first.pageSize)
		if err == nil && second.tx > first.tx {
			return second, nil
		}
		return first, nil
	}
	// The first page would have stated the page size. Use the smallest offset, because values at
	// larger ones may look like a root page.
	for offset := int64(minPageSize); offset <= maxPageSize && offset < int64(len(content)); offset <<= 1 {
		second, err := readMeta(content, offset)
		if err == nil && second.pageSize == offset {
			return second, nil
		}
		if !errors.Is(err, ErrForeign) {
			verdict = damaged("a root page is malformed")
		}
	}
	return meta{}, verdict
}

func readMeta(content []byte, offset int64) (m meta, err error) {
	copy(m.raw[:], content[min(offset+pageHeader, int64(len(content))):])
	b := m.raw[:]
	if native.Uint32(b[0:]) != boltMagic || native.Uint32(b[4:]) != boltVersion {
		return meta{}, ErrForeign
	}
	if metaSum(b) != native.Uint64(b[metaSummed:]) {
		return meta{}, damaged("a root page fails its checksum")
	}
	m.pageSize = int64(native.Uint32(b[8:]))
	m.root = native.Uint64(b[16:])
	m.highWater = native.Uint64(b[40:])
	m.tx = native.Uint64(b[48:])
	if m.pageSize < minPageSize || m.pageSize > maxPageSize {
		return meta{}, damaged("the page size is out of bounds")
	}
	return m, nil
}

func metaSum(b []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSummed])
	return sum.Sum64()
}

// page returns the bytes of a page and of its overflow pages, which the inspection has checked.
func (l layout) page(id uint64) []byte {
	at := int64(id) * l.meta.pageSize
	return l.content[at : at+int64(l.pageCount(id))*l.meta.pageSize]
}

// pageCount returns the number of pages that a page and its overflow pages are.
func (l layout) pageCount(id uint64) uint64 {
	return uint64(native.Uint32(l.content[int64(id)*l.meta.pageSize+12:])) + 1
}

// A walker visits each page of a file once. The parts of a large tree are shared among helpers.
type walker struct {
	layout
	helpers errgroup.Group
	// exam, if not nil, receives the damage, and the walk continues behind the page.
	exam *exam
}

// page checks the tree below a page, whose keys must be at least min and, if max is not nil, less
// than max.
func (w *walker) page(id uint64, min, max []byte, depth int) error {
	b, err := w.read(id)
	if err == nil {
		err = w.elements(b, min, max, depth)
	}
	if w.exam == nil {
		return err
	}
	w.exam.page(id, b, err)
	return nil
}

// read marks a page and its overflow pages as used, and returns their bytes.
func (w *walker) read(id uint64) ([]byte, error) {
	if id < firstDataPage || id >= w.meta.highWater {
		return nil, damaged("a page is out of bounds")
	}
	header, pages := w.content[int64(id)*w.meta.pageSize:], w.pageCount(id)
	if native.Uint64(header) != id || pages > w.meta.highWater-id {
		return nil, damaged("a page has a wrong header")
	}
	for i := id; i < id+pages; i++ {
		if w.used.add(i) {
			return nil, damaged("a page is used twice")
		}
	}
	return w.layout.page(id), nil
}

// elements checks the elements of a page.
func (w *walker) elements(b, min, max []byte, depth int) error {
	flags, count := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	if flags != branchFlag && flags != leafFlag {
		return damaged("a page is of no known kind")
	}
	if flags == branchFlag && count == 0 {
		return damaged("a branch is empty")
	}
	if depth > maxDepth {
		return damaged("the tree is too deep")
	}
	var e element
	for i := range count + 1 {
		next := element{key: max} // the limit of the last key
		if i < count {
			var ok bool
			if next, ok = readElement(b, i, flags); !ok {
				return damaged("an element is out of bounds")
			}
		}
		switch {
		case i == 0 && count > 0 && bytes.Compare(next.key, min) < 0:
			return damaged("keys are out of order")
		case i == 0:
		case next.key != nil && bytes.Compare(e.key, next.key) >= 0:
			return damaged("keys are out of order")
		default:
			if err := w.below(e, flags, next.key, depth+1); err != nil {
				return err
			}
		}
		e = next
	}
	return nil
}

// below checks the tree below an element, whose keys must be less than max if it is not nil.
func (w *walker) below(e element, flags uint16, max []byte, depth int) error {
	switch {
	case flags == branchFlag && depth <= maxShared:
		return w.share(func() error { return w.page(e.child, e.key, max, depth) })
	case flags == branchFlag:
		return w.page(e.child, e.key, max, depth)
	case e.isBucket:
		return w.bucket(e.value, depth)
	}
	return nil
}

// share gives a part of the work to a helper, if one is free.
func (w *walker) share(check func() error) error {
	helped := w.helpers.TryGo(func() (err error) {
		// A fault is an error of the goroutine in which it occurs.
		if fault := guard(func() { err = check() }); fault != nil {
			return fault
		}
		return err
	})
	if helped {
		return nil
	}
	return check()
}

// bucket checks the tree of a bucket, which may be one page inside its value.
func (w *walker) bucket(value []byte, depth int) error {
	if len(value) < bucketHeader {
		return damaged("a bucket has no header")
	}
	if root := native.Uint64(value); root != 0 {
		return w.page(root, nil, nil, depth)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || native.Uint16(inline[8:]) != leafFlag {
		return damaged("a small bucket has no page")
	}
	if w.exam != nil {
		w.exam.inline(inline)
	}
	return w.elements(inline, nil, nil, depth)
}

// checkFormat checks that the file is a Keyward store of a format.
func (l layout) checkFormat(format uint32) error {
	_, hasData := l.bucket(names[ofData])
	description, ok := l.bucket(metaBucket)
	if !ok || !hasData || string(find(description, formatKey).value) != formatName {
		return ErrForeign
	}
	version := find(description, versionKey).value
	if len(version) != 4 {
		return damaged("the format version is malformed")
	}
	switch v := binary.BigEndian.Uint32(version); {
	case v > FormatVersion:
		return fmt.Errorf("%w: its format is %d, the newest known is %d", ErrNewer, v, FormatVersion)
	case v < format:
		return fmt.Errorf("%w: its format is %d, and this program needs %d", ErrEarlier, v, format)
	case v > format:
		return ErrUpgraded
	}
	if _, hasLog := l.bucket(names[ofLog]); format == FormatVersion && !hasLog {
		return damaged("the bucket of the logs is missing")
	}
	return nil
}

// bucket returns the root page of a bucket.
func (l layout) bucket(name []byte) (root []byte, ok bool) {
	e := find(l.page(l.meta.root), name)
	if !e.isBucket {
		return nil, false
	}
	if id := native.Uint64(e.value); id != 0 {
		return l.page(id), true
	}
	return e.value[bucketHeader:], true
}

// find returns the element with a key of a leaf, or an empty element.
func find(leaf, key []byte) element {
	if native.Uint16(leaf[8:]) != leafFlag {
		return element{} // the few buckets and descriptions of a store are in one leaf
	}
	for i := range int(native.Uint16(leaf[10:])) {
		if e, _ := readElement(leaf, i, leafFlag); bytes.Equal(e.key, key) {
			return e
		}
	}
	return element{}
}

// An element is one entry of a page.
type element struct {
	key, value []byte
	child      uint64
	isBucket   bool
}

// readElement returns the i-th element of a page and whether it is within the page.
func readElement(b []byte, i int, flags uint16) (element, bool) {
	at := pageHeader + i*elementSize
	if at+elementSize > len(b) {
		return element{}, false
	}
	head, rest := b[at:at+elementSize], b[at:]
	if flags == branchFlag {
		key, ok := cut(rest, native.Uint32(head[0:]), native.Uint32(head[4:]))
		return element{key: key, child: native.Uint64(head[8:])}, ok
	}
	position, keySize, valueSize := native.Uint32(head[4:]), native.Uint32(head[8:]), native.Uint32(head[12:])
	both, ok := cut(rest, position, keySize, valueSize)
	if !ok {
		return element{}, false
	}
	return element{key: both[:keySize], value: both[keySize:], isBucket: native.Uint32(head)&bucketFlag != 0}, true
}

// cut returns the bytes at a position with the sum of these sizes.
func cut(b []byte, position uint32, sizes ...uint32) ([]byte, bool) {
	end := uint64(position)
	for _, size := range sizes {
		end += uint64(size)
	}
	if end > uint64(len(b)) {
		return nil, false
	}
	return b[position:end], true
}
