package boltkv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// pages knows which pages of the file the newest tree uses, and which of the others may still have
// content. It compares the tree of each commit with the one before it, because bbolt does not tell which
// of its free pages a reader still sees. Only the second stage uses it, between commits.
//
// A page that leaves the tree goes through these sets:
//
//	live → freed: an open reader, or the older root page, may refer to it
//	     → dirty: nothing refers to it, but its content is still there
//	     → none:  it is zero
//
// bbolt may use a page again at any time, which takes it back to live.
type pages struct {
	size int64
	root uint64
	live bitmap
	// freed are the pages that left the tree, with the number of the commit.
	freed map[uint64]int
	// batches are the freed pages by commit, the earliest first. A page that has been used again since
	// is no longer in freed, or there under a later commit.
	batches []batch
	// listed is the number of pages in batches.
	listed int
	dirty  bitmap
	// dirtyCount is the number of pages in dirty.
	dirtyCount int
	// unknown is the number of pages below the high water mark of whose content nothing is known.
	unknown int
	// lost means that the sets are not known, because it is unknown what a failed commit has written.
	lost bool

	// kept are the pages that the trees before and after a commit share, as far as a comparison meets
	// them. It is empty between comparisons.
	kept bitmap
}

// A batch are the pages that a commit has freed.
type batch struct {
	tx    int
	pages []uint64
	// all means all pages of the file that are not live, of which nothing is known.
	all bool
}

// maxListed is the number of pages in batches above which the pages of a commit are no longer known, so
// that a store that is never purged does not need more and more memory.
const maxListed = 1 << 20

// noFreelist stands for the number of the page with the list of free pages in a file without one.
const noFreelist = 1<<64 - 1

// newPages returns what is known after an inspection has found the pages that a tree uses: nothing of the
// content of the others. The content of the file and its root page are the present ones.
func newPages(content []byte, m meta, used bitmap) *pages {
	p := &pages{size: m.pageSize, root: m.root, live: used, freed: make(map[uint64]int)}
	p.batches, p.unknown = []batch{{tx: int(m.tx), all: true}}, int(m.highWater)-firstDataPage-used.count()
	if list := native.Uint64(m.raw[32:]); list != noFreelist {
		// The next commit frees the list of the free pages.
		p.free(list, layout{content: content, meta: m}.pageCount(list), int(m.tx)+1)
	}
	return p
}

// record takes the newest tree over after a commit. It costs little more than reading the pages that the
// commit has written or freed.
func (p *pages) record(content []byte, m meta) error {
	if p.lost {
		return nil
	}
	for _, set := range []*bitmap{&p.live, &p.dirty, &p.kept} {
		set.grow(m.highWater)
	}
	c := comparison{pages: p, layout: layout{content: content, meta: m}}
	err := guard(func() {
		c.enter(m.root, true)
		c.leave(p.root, true)
	})
	for _, id := range c.kept {
		p.kept.remove(id)
	}
	p.root, p.lost = m.root, err != nil
	return err
}

// free adds pages that a commit has freed.
func (p *pages) free(id, count uint64, tx int) {
	if last := len(p.batches) - 1; last < 0 || p.batches[last].tx != tx {
		p.batches = append(p.batches, batch{tx: tx})
	}
	last := &p.batches[len(p.batches)-1]
	for i := id; i < id+count; i++ {
		p.freed[i] = tx
		last.pages = append(last.pages, i)
	}
	if p.listed += int(count); p.listed > maxListed {
		p.forget()
	}
}

// forget forgets which commit freed which pages.
func (p *pages) forget() {
	p.unknown += len(p.freed)
	clear(p.freed)
	p.batches, p.listed = []batch{{tx: p.batches[len(p.batches)-1].tx, all: true}}, 0
}

// waiting returns the last commit that freed pages which a purge of everything before the commit target
// must erase and which are not dirty yet, or 0.
func (p *pages) waiting(target int) (tx int) {
	for _, b := range p.batches {
		if b.tx <= target || b.all {
			tx = b.tx
		}
	}
	return tx
}

// release makes pages dirty that were freed before the newest commit, and by a commit that all open
// readers see.
func (p *pages) release(newest, oldestReader int, file *os.File) error {
	for len(p.batches) > 0 && p.batches[0].tx < newest && p.batches[0].tx <= oldestReader {
		b := p.batches[0]
		if b.all {
			if err := p.releaseAll(file); err != nil {
				return err
			}
		}
		for _, id := range b.pages {
			if p.freed[id] == b.tx {
				delete(p.freed, id)
				p.soil(id)
			}
		}
		p.batches, p.listed = p.batches[1:], p.listed-len(b.pages)
	}
	return nil
}

// releaseAll makes all pages dirty that are neither used nor known to be freed. A commit that did not
// complete may have written beyond the high water mark, too.
func (p *pages) releaseAll(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end := uint64((info.Size() + p.size - 1) / p.size)
	p.dirty.grow(end)
	p.live.grow(end)
	for id := uint64(firstDataPage); id < end; id++ {
		if _, freed := p.freed[id]; !freed && !p.live.has(id) {
			p.soil(id)
		}
	}
	p.unknown = 0
	return nil
}

func (p *pages) soil(id uint64) {
	if !p.dirty.add(id) {
		p.dirtyCount++
	}
}

func (p *pages) clean(id uint64) {
	if p.dirty.remove(id) {
		p.dirtyCount--
	}
}

// end returns the number of pages that may be dirty, or more.
func (p *pages) end() uint64 { return uint64(len(p.dirty)) * 32 }

// pending returns the number of bytes that may still have to be erased.
func (p *pages) pending() int64 { return int64(len(p.freed)+p.dirtyCount+p.unknown) * p.size }

// A comparison compares the tree after a commit with the one before it. A page that both have is the
// same in both, with all pages below it, because bbolt writes changed pages elsewhere.
type comparison struct {
	*pages
	layout
	kept []uint64
}

// enter adds the pages of the new tree that the old one does not have.
func (c *comparison) enter(id uint64, hasBuckets bool) {
	if c.live.has(id) {
		c.pages.kept.add(id)
		c.kept = append(c.kept, id)
		return
	}
	for i := id; i < id+c.pageCount(id); i++ {
		c.live.add(i)
		c.clean(i)
		delete(c.freed, i)
	}
	c.children(id, hasBuckets, c.enter)
}

// leave frees the pages of the old tree that the new one does not have.
func (c *comparison) leave(id uint64, hasBuckets bool) {
	if c.pages.kept.has(id) {
		return
	}
	count := c.pageCount(id)
	for i := id; i < id+count; i++ {
		c.live.remove(i)
	}
	c.free(id, count, int(c.meta.tx))
	c.children(id, hasBuckets, c.leave)
}

// children visits the pages below a page. The leaves of the root bucket refer to the other buckets, whose
// leaves refer to nothing.
func (c *comparison) children(id uint64, hasBuckets bool, visit func(id uint64, hasBuckets bool)) {
	b := c.page(id)
	flags := native.Uint16(b[8:])
	if flags == leafFlag && !hasBuckets {
		return
	}
	for i := range int(native.Uint16(b[10:])) {
		e, ok := readElement(b, i, flags)
		switch {
		case !ok:
			panic("an element is out of bounds")
		case flags == branchFlag:
			visit(e.child, hasBuckets)
		case e.isBucket:
			if root := native.Uint64(e.value); root != 0 {
				visit(root, false)
			}
		}
	}
}

// A step of a purge ends at these limits, so that updates do not wait for it.
const (
	stepBytes = 1 << 20
	stepTime  = 5 * time.Millisecond
	// runPages is the maximum number of pages that are read and written together.
	runPages = 64
)

// erase overwrites dirty pages with zeros, from a page on, and returns the one at which to continue and
// the number of bytes that were overwritten. Pages that are zero are not written.
func (p *pages) erase(file *os.File, at uint64) (next uint64, erased int64, err error) {
	if p.dirtyCount == 0 {
		return p.end(), 0, nil
	}
	buffer, zeros := make([]byte, runPages*p.size), make([]byte, runPages*p.size)
	begin := time.Now()
	for erased < stepBytes && time.Since(begin) < stepTime {
		first, count := p.dirty.run(at, runPages)
		if count == 0 {
			return first, erased, nil
		}
		n, err := p.eraseRun(file, first, buffer[:int64(count)*p.size], zeros)
		erased += n
		if err != nil {
			return at, erased, fmt.Errorf("erase free pages: %w", err)
		}
		for id := first; id < first+count; id++ {
			p.clean(id)
		}
		at = first + count
	}
	return at, erased, nil
}

// eraseRun overwrites the pages of a run from the first to the last one with content.
func (p *pages) eraseRun(file *os.File, first uint64, content, zeros []byte) (erased int64, err error) {
	n, err := file.ReadAt(content, int64(first)*p.size)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	content = content[:n]
	for at := int64(0); at < int64(n); {
		end := min(at+p.size, int64(n))
		if bytes.Equal(content[at:end], zeros[:end-at]) {
			at = end
			continue
		}
		for end < int64(n) && !bytes.Equal(content[end:min(end+p.size, int64(n))], zeros[:min(p.size, int64(n)-end)]) {
			end = min(end+p.size, int64(n))
		}
		if _, err := file.WriteAt(zeros[:end-at], int64(first)*p.size+at); err != nil {
			return erased, err
		}
		erased, at = erased+end-at, end
	}
	return erased, nil
}
