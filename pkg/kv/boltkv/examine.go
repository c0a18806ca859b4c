package boltkv

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
)

// ErrReadOnly is returned by updates and purges of a store that was opened for reading.
var ErrReadOnly = errors.New("the store was opened for reading")

// OpenReadOnly opens the store at path for reading, and does not change the file. The store must not be
// open for writing: the error then wraps [ErrLocked], and programs that want to write have to wait until
// the store is closed. Updates and purges fail with [ErrReadOnly].
//
// It first examines the file, and passes a description of each difference from what bbolt writes to
// report. The descriptions contain no keys. The bytes in free pages and behind the content of a page are not
// compared. If a page is damaged so that bbolt could not read the file safely, OpenReadOnly also fails,
// with an error that wraps [kv.ErrCorrupt]. The examination visits each page once.
func OpenReadOnly(path string, report func(what string)) (*DB, error) {
	db, err := openReadOnly(path, report)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

func openReadOnly(path string, report func(what string)) (*DB, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	opts := Options{readOnly: true, MapSize: minMapSize}.withDefaults()
	bolt, err := examineAndOpen(file, path, opts, report)
	if err != nil {
		_ = file.Close() // was only read
		if errors.Is(err, errReplaced) {
			return openReadOnly(path, report)
		}
		return nil, err
	}
	return start(path, opened{DB: bolt, file: file}, opts)
}

func examineAndOpen(file *os.File, path string, opts Options, report func(what string)) (*bbolt.DB, error) {
	size, err := lockFile(file, path, syscall.LOCK_SH, opts.LockTimeout)
	if err != nil {
		return nil, err
	}
	if err := withContent(file, size, func(content []byte) error { return examine(content, report) }); err != nil {
		return nil, err
	}
	return openBolt(file, opts)
}

// examine is inspect for a file whose damage is described completely.
func examine(content []byte, report func(what string)) error {
	m, err := newestMeta(content)
	if err != nil {
		return err
	}
	e := &exam{report: report, pageSize: m.pageSize}
	e.roots(content)
	if m.highWater > uint64(int64(len(content))/m.pageSize) {
		return damaged("the file is shorter than it says")
	}
	w := walker{layout: layout{content: content, meta: m, used: newBitmap(m.highWater)}, exam: e}
	w.helpers.SetLimit(0) // no helpers, so that the order of the descriptions is always the same
	if err := w.page(m.root, nil, nil, 0); err != nil {
		return err
	}
	if e.damaged {
		return damaged("pages are damaged")
	}
	e.freeList(w.layout)
	return w.checkFormat(FormatVersion)
}

// An exam collects the differences of a file from what bbolt writes.
type exam struct {
	report   func(what string)
	pageSize int64
	// damaged means that bbolt could not read the file safely.
	damaged bool
}

// roots examines both root pages.
func (e *exam) roots(content []byte) {
	for i := range uint64(2) {
		at := int64(i) * e.pageSize
		if at+pageHeader+metaSize > int64(len(content)) {
			e.report(fmt.Sprintf("root page %d is missing", i))
			continue
		}
		header := make([]byte, pageHeader)
		native.PutUint64(header, i)
		native.PutUint16(header[8:], metaFlag)
		if m, err := readMeta(content, at); err != nil || m.pageSize != e.pageSize {
			e.report(fmt.Sprintf("root page %d is damaged: its content does not match its checksum", i))
		} else if !bytes.Equal(header, content[at:at+pageHeader]) {
			e.report(fmt.Sprintf("root page %d has a wrong header", i))
		}
	}
}

// page examines a page with its overflow pages, whose elements were walked with a result.
func (e *exam) page(id uint64, b []byte, walked error) {
	if walked != nil {
		e.damaged = true
		e.report(fmt.Sprintf("page %d is damaged: %s", id, detail(walked)))
		return
	}
	end, ok := content(b)
	if overflow := native.Uint32(b[12:]); !ok || int64(end)/e.pageSize != int64(overflow) {
		e.report(fmt.Sprintf("page %d is damaged: its content is not laid out as it was written", id))
	}
}

// inline examines a page inside the value of a bucket.
func (e *exam) inline(b []byte) {
	if end, ok := content(b); !ok || end != len(b) || native.Uint64(b) != 0 || native.Uint32(b[12:]) != 0 {
		e.report("a small bucket is damaged: its content is not laid out as it was written")
	}
}

// content returns the end of the content of a page, and whether its elements are where bbolt writes
// them: the key and the value of each follow those of the one before.
func content(b []byte) (end int, ok bool) {
	flags, count := native.Uint16(b[8:]), int(native.Uint16(b[10:]))
	end = pageHeader + count*elementSize
	for i := range count {
		element, found := readElement(b, i, flags)
		if !found {
			return 0, false
		}
		at := pageHeader + i*elementSize
		position := native.Uint32(b[at:])
		if flags == leafFlag {
			if position > bucketFlag { // the flags of the element
				return 0, false
			}
			position = native.Uint32(b[at+4:])
		}
		if at+int(position) != end {
			return 0, false
		}
		if element.isBucket && len(element.value) >= bucketHeader && native.Uint64(element.value[8:]) != 0 {
			return 0, false // the sequence of a bucket, which is not used
		}
		end += len(element.key) + len(element.value)
	}
	return end, true
}

// freeList examines the list of free pages, if the file has one.
func (e *exam) freeList(l layout) {
	id := native.Uint64(l.meta.raw[32:])
	if id == noFreelist {
		return
	}
	listed, own, ok := l.readFreeList(id)
	free := slices.DeleteFunc(l.freePages(), func(page uint64) bool { return id <= page && page < id+own })
	if !ok || !slices.Equal(listed, free) {
		e.report(fmt.Sprintf("page %d is damaged: the list of free pages is not that of the file", id))
	}
}

// readFreeList returns the list at a page, and the number of pages that it takes.
func (l layout) readFreeList(id uint64) (listed []uint64, pages uint64, ok bool) {
	if id < firstDataPage || id >= l.meta.highWater || l.used.has(id) {
		return nil, 0, false
	}
	header := l.content[int64(id)*l.meta.pageSize:]
	pages = l.pageCount(id)
	if native.Uint64(header) != id || native.Uint16(header[8:]) != freelistFlag || pages > l.meta.highWater-id {
		return nil, 0, false
	}
	list := header[pageHeader : int64(pages)*l.meta.pageSize]
	count := uint64(native.Uint16(header[10:]))
	if count == math.MaxUint16 {
		count, list = native.Uint64(list), list[8:]
	}
	if count > uint64(len(list)/8) {
		return nil, 0, false
	}
	for i := range count {
		listed = append(listed, native.Uint64(list[8*i:]))
	}
	return listed, pages, true
}

// detail returns what an error says about damage.
func detail(err error) string {
	prefix := kv.ErrCorrupt.Error() + ": "
	return strings.TrimPrefix(err.Error(), prefix)
}
