package boltkv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

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

	branchFlag = 0x01
	leafFlag   = 0x02
	bucketFlag = 0x01
)

var native = binary.NativeEndian

// A meta is a root page of the file.
type meta struct {
	pageSize  int64
	root      uint64
	highWater uint64
	tx        uint64
}

// inspect checks all used pages of a file that no process is writing. It returns an error that
// wraps ErrForeign or kv.ErrCorrupt unless bbolt can open the file safely.
func inspect(file io.ReaderAt, size int64) error {
	m, err := newestMeta(file, size)
	if err != nil {
		return err
	}
	if m.highWater > uint64(size/m.pageSize) {
		return damaged("the file is shorter than it says")
	}
	w := walker{file: file, meta: m, seen: make([]bool, m.highWater)}
	return w.page(m.root, nil, nil)
}

func damaged(what string) error { return fmt.Errorf("%w: %s", kv.ErrCorrupt, what) }

// newestMeta returns the root page that bbolt will use. One is at the start of the file, the other
// one page later, and either may be torn.
func newestMeta(file io.ReaderAt, size int64) (meta, error) {
	first, verdict := readMeta(file, 0)
	if verdict == nil {
		second, err := readMeta(file, first.pageSize)
		if err == nil && second.tx > first.tx {
			return second, nil
		}
		return first, nil
	}
	// The first page would have stated the page size. Use the smallest offset, because values at
	// larger ones may look like a root page.
	for offset := int64(minPageSize); offset <= maxPageSize && offset < size; offset <<= 1 {
		second, err := readMeta(file, offset)
		if err == nil && second.pageSize == offset {
			return second, nil
		}
		if !errors.Is(err, ErrForeign) {
			verdict = damaged("a root page is malformed")
		}
	}
	return meta{}, verdict
}

func readMeta(file io.ReaderAt, offset int64) (meta, error) {
	var b [metaSize]byte
	if _, err := file.ReadAt(b[:], offset+pageHeader); err != nil && err != io.EOF {
		return meta{}, fmt.Errorf("read root page: %w", err)
	}
	if native.Uint32(b[0:]) != boltMagic || native.Uint32(b[4:]) != boltVersion {
		return meta{}, ErrForeign
	}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSummed])
	if sum.Sum64() != native.Uint64(b[metaSummed:]) {
		return meta{}, damaged("a root page fails its checksum")
	}
	m := meta{
		pageSize:  int64(native.Uint32(b[8:])),
		root:      native.Uint64(b[16:]),
		highWater: native.Uint64(b[40:]),
		tx:        native.Uint64(b[48:]),
	}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize {
		return meta{}, damaged("the page size is out of bounds")
	}
	return m, nil
}

// A walker visits each page of a file once.
type walker struct {
	file io.ReaderAt
	meta meta
	seen []bool
}

// page checks the tree below a page, whose keys must be at least min and, if max is not nil, less
// than max.
func (w *walker) page(id uint64, min, max []byte) error {
	b, err := w.read(id)
	if err != nil {
		return err
	}
	return w.content(b, min, max)
}

// read returns the bytes of a page and of its overflow pages.
func (w *walker) read(id uint64) ([]byte, error) {
	if id < firstDataPage || id >= w.meta.highWater {
		return nil, damaged("a page is out of bounds")
	}
	var header [pageHeader]byte
	if _, err := w.file.ReadAt(header[:], int64(id)*w.meta.pageSize); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	pages := uint64(native.Uint32(header[12:])) + 1
	if native.Uint64(header[:]) != id || pages > w.meta.highWater-id {
		return nil, damaged("a page has a wrong header")
	}
	for i := id; i < id+pages; i++ {
		if w.seen[i] {
			return nil, damaged("a page is used twice")
		}
		w.seen[i] = true
	}
	b := make([]byte, int64(pages)*w.meta.pageSize)
	if _, err := w.file.ReadAt(b, int64(id)*w.meta.pageSize); err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	return b, nil
}

// content checks the elements of a page.
func (w *walker) content(b, min, max []byte) error {
	flags, count := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	if flags != branchFlag && flags != leafFlag {
		return damaged("a page is of no known kind")
	}
	if flags == branchFlag && count == 0 {
		return damaged("a branch is empty")
	}
	elements := make([]element, count)
	for i := range elements {
		e, ok := readElement(b, i, flags)
		if !ok {
			return damaged("an element is out of bounds")
		}
		if i > 0 && bytes.Compare(elements[i-1].key, e.key) >= 0 {
			return damaged("keys are out of order")
		}
		elements[i] = e
	}
	if count == 0 {
		return nil
	}
	if bytes.Compare(elements[0].key, min) < 0 || (max != nil && bytes.Compare(elements[count-1].key, max) >= 0) {
		return damaged("keys are out of order")
	}
	return w.children(elements, flags, max)
}

func (w *walker) children(elements []element, flags uint16, max []byte) error {
	for i, e := range elements {
		var err error
		switch {
		case flags == branchFlag && i+1 < len(elements):
			err = w.page(e.child, e.key, elements[i+1].key)
		case flags == branchFlag:
			err = w.page(e.child, e.key, max)
		case e.isBucket:
			err = w.bucket(e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks the tree of a bucket, which may be one page inside its value.
func (w *walker) bucket(value []byte) error {
	if len(value) < bucketHeader {
		return damaged("a bucket has no header")
	}
	if root := native.Uint64(value); root != 0 {
		return w.page(root, nil, nil)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || native.Uint16(inline[8:]) != leafFlag {
		return damaged("a small bucket has no page")
	}
	return w.content(inline, nil, nil)
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
