package console

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// smallest is the minimum size of a compressed file.
const smallest = 1 << 10

// types are the media types of the files of a page. The table of the machine is not used, because
// it may differ.
var types = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".ico":   "image/x-icon",
	".js":    "text/javascript; charset=utf-8",
	".json":  "application/json",
	".png":   "image/png",
	".svg":   "image/svg+xml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

// A file is one file of the page, in memory.
type file struct {
	contentType string
	plain       []byte
	compressed  []byte // nil if compression saves too little
}

// load returns all files by their paths from the root of the site.
func load(built fs.FS) (map[string]*file, error) {
	files := make(map[string]*file)
	err := fs.WalkDir(built, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(built, name)
		if err != nil {
			return err
		}
		files["/"+name] = newFile(name, data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	return files, nil
}

func newFile(name string, data []byte) *file {
	f := &file{contentType: types[path.Ext(name)], plain: data}
	if f.contentType == "" {
		f.contentType = "application/octet-stream"
	}
	if small := compress(data); len(data) >= smallest && len(small) < len(data) {
		f.compressed = small
	}
	return f
}

func compress(data []byte) []byte {
	var out bytes.Buffer
	// This cannot fail: the level is valid, and writes to a buffer succeed.
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// write sends the file, compressed if the client accepts gzip.
func (f *file) write(w http.ResponseWriter, r *http.Request) {
	h, body := w.Header(), f.plain
	h.Set("Content-Type", f.contentType)
	if f.compressed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = f.compressed
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have disconnected
	}
}

// takesGzip reports whether an Accept-Encoding header accepts gzip.
func takesGzip(header string) bool {
	for coding := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.TrimSpace(name) != "gzip" {
			continue
		}
		_, q, _ := strings.Cut(weight, "=")
		value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
		return weight == "" || err != nil || value > 0
	}
	return false
}
