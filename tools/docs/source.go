package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const module = "github.com/keyward/keyward/"

// A source is the Go code of the repository, parsed one package at a time.
type source struct {
	root     string
	packages map[string]*pkg
}

// A pkg is the parsed code of one folder, without its tests.
type pkg struct {
	path  string // relative to the root
	files []*ast.File
}

func newSource(root string) *source {
	return &source{root: root, packages: make(map[string]*pkg)}
}

// load returns the package in a folder.
func (s *source) load(path string) (*pkg, error) {
	if p := s.packages[path]; p != nil {
		return p, nil
	}
	entries, err := os.ReadDir(filepath.Join(s.root, path))
	if err != nil {
		return nil, fmt.Errorf("list package: %w", err)
	}
	p := &pkg{path: path}
	for _, entry := range entries {
		if name := entry.Name(); !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(s.root, path, entry.Name()), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		p.files = append(p.files, file)
	}
	s.packages[path] = p
	return p, nil
}

// A structure is a struct type and where it is declared.
type structure struct {
	pkg  *pkg
	file *ast.File
	typ  *ast.StructType
}

// structure returns the struct type with a name such as `pkg/server.Config`.
func (s *source) structure(name string) (*structure, error) {
	path, typ, _ := strings.Cut(filepath.Base(name), ".")
	p, err := s.load(filepath.Join(filepath.Dir(name), path))
	if err != nil {
		return nil, err
	}
	for _, file := range p.files {
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range gen.Specs {
				if t, ok := spec.(*ast.TypeSpec); ok && t.Name.Name == typ {
					if st, ok := t.Type.(*ast.StructType); ok {
						return &structure{p, file, st}, nil
					}
				}
			}
		}
	}
	return nil, fmt.Errorf("there is no struct %s", name)
}

// named returns the full name of a type that the structure's file mentions, such as
// `pkg/telemetry.Config`, and whether it is a type of this repository.
func (st *structure) named(expr ast.Expr) (string, bool) {
	switch t := expr.(type) {
	case *ast.Ident:
		if t.Obj == nil && basic[t.Name] != "" {
			return "", false
		}
		return st.pkg.path + "." + t.Name, true
	case *ast.SelectorExpr:
		x, ok := t.X.(*ast.Ident)
		if !ok {
			return "", false
		}
		for _, imported := range st.file.Imports {
			path, err := strconv.Unquote(imported.Path.Value)
			if ours, inModule := strings.CutPrefix(path, module); err == nil && inModule && filepath.Base(path) == x.Name {
				return ours + "." + t.Sel.Name, true
			}
		}
	}
	return "", false
}
