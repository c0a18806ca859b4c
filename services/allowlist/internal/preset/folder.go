package preset

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The limits of a folder. The last one keeps the response of ListPresets below the size that
// clients accept.
const (
	maxFiles = 500
	maxFile  = 256 << 10
	maxList  = 3 << 20
)

// AnswerSuffix ends the name of the file with the known answers of a preset, after its ID.
const AnswerSuffix = ".answer.json"

// fileName matches the names of the files of a folder, and finds the ID in them.
var fileName = regexp.MustCompile(`^([a-z][a-z0-9_]{0,63})(\.answer)?\.json$`)

// Open returns the library with the presets of an operator's folder in addition to the built-in
// ones. An empty name stands for no folder.
//
// The folder contains regular files, or links to regular files: ID.json with a preset, and
// ID.answer.json with its known answers, which Open does not read. Hidden files are ignored. All
// other files are refused, and so is a preset with the ID of a built-in one. A preset must compile
// with made-up settings and secrets, and with acknowledgements as of now.
//
// Errors name the file, and the line or the field, and repeat nothing of its contents. Files are
// read once: a library does not notice later changes.
func Open(dir string, now time.Time) (*Library, error) {
	builtIn, err := New()
	if err != nil || dir == "" {
		return builtIn, err
	}
	own, err := builtIn.folder(dir, now)
	if err != nil {
		return nil, fmt.Errorf("read presets in %s: %w", dir, err)
	}
	l := &Library{presets: append(own, builtIn.presets...)}
	slices.SortFunc(l.presets, byID)
	if size := proto.Size(&allowlistv1.ListPresetsResponse{Presets: l.presets}); size > maxList {
		return nil, fmt.Errorf("read presets in %s: all presets together have %d bytes, want at most %d", dir, size, maxList)
	}
	return l, nil
}

// folder reads the presets of a folder, and reports all bad files at once.
func (l *Library) folder(dir string, now time.Time) ([]*allowlistv1.Preset, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var own []*allowlistv1.Preset
	var errs []error
	ids, answered := make(map[string]bool), make(map[string]bool)
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		m := fileName.FindStringSubmatch(name)
		switch {
		case m == nil:
			errs = append(errs, fmt.Errorf("%s: the name must be ID.json or ID%s, with an ID of 1 to 64 characters of a-z, 0-9, and _", name, AnswerSuffix))
			continue
		case m[2] != "":
			answered[m[1]] = true
			continue
		case len(ids) == maxFiles:
			return nil, fmt.Errorf("the folder has more than %d presets", maxFiles)
		}
		ids[m[1]] = true
		preset, err := l.file(filepath.Join(dir, name), m[1], now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		own = append(own, preset)
	}
	for id := range answered {
		if !ids[id] {
			errs = append(errs, fmt.Errorf("%s%s: the folder has no %s.json", id, AnswerSuffix, id))
		}
	}
	return own, errors.Join(errs...)
}

// file reads the file of a preset of an operator, and checks it.
func (l *Library) file(name, id string, now time.Time) (*allowlistv1.Preset, error) {
	if l.Find(id) != nil {
		return nil, errors.New("a built-in preset has this ID; choose another")
	}
	text, err := ReadFile(name)
	if err != nil {
		return nil, err
	}
	preset, err := parse(id, text)
	if err != nil {
		return nil, located(err)
	}
	return preset, check(preset, now)
}

// ReadFile reads a regular file of a folder of presets, of at most 256 KiB.
func ReadFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // reading a pipe could take forever
		return nil, errors.New("must be a regular file")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("has more than %d bytes", maxFile)
	}
	return text, nil
}

// position finds the line and the column in an error of protojson.
var position = regexp.MustCompile(`\(line (\d+):(\d+)\)`)

// problems are the errors of protojson that have words of their own. The first sign in an error counts.
var problems = []struct{ sign, words string }{
	{"unexpected EOF", "is not JSON: it ends early"},
	{"syntax error", "is not the JSON of a preset"},
	{"unexpected token", "is not the JSON of a preset"},
	{"unknown field", "has a field that a preset does not have"},
	{"duplicate field", "has a field twice"},
	{"invalid UTF-8", "has bytes that are not UTF-8"},
}

// located returns an error of [parse] without the input that an error of protojson repeats.
func located(err error) error {
	text := err.Error()
	if !strings.HasPrefix(text, "proto:") {
		return err
	}
	problem := "has a value of the wrong type, or a value that its field does not know"
	for _, known := range problems {
		if strings.Contains(text, known.sign) {
			problem = known.words
			break
		}
	}
	if at := position.FindStringSubmatch(text); at != nil {
		return fmt.Errorf("line %s, column %s: %s", at[1], at[2], problem)
	}
	return errors.New(problem)
}
