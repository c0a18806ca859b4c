package main

import (
	"errors"
	"fmt"
	"go/ast"
	"strconv"
	"strings"
)

// flags returns the flags of a program: the calls of StringVar in its main package, with the
// defaults from the function DefaultConfig of the package that it runs.
func (g *generator) flags(path string) (string, error) {
	main, err := g.source.load(path)
	if err != nil {
		return "", err
	}
	defaults, err := g.defaults("services/standalone")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("| flag | default | meaning |\n|---|---|---|\n")
	found := 0
	for _, file := range main.files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 4 {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); !ok || method.Sel.Name != "StringVar" {
				return true
			}
			found++
			otherwise := "none"
			if value := valueOf(call.Args[2], defaults); value != "" {
				otherwise = "`" + value + "`"
			}
			fmt.Fprintf(&out, "| `--%s` | %s | %s |\n", valueOf(call.Args[1], nil), otherwise, cell(valueOf(call.Args[3], nil)))
			return true
		})
	}
	if found == 0 {
		return "", errors.New("the program has no flags")
	}
	return out.String(), nil
}

// valueOf returns a string literal, or what a selector such as `cfg.Dir` has by default.
func valueOf(expr ast.Expr, defaults map[string]string) string {
	switch e := expr.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value) // every argument that is a literal is a string
		return text
	case *ast.SelectorExpr:
		return defaults[strings.Join(selectors(e)[1:], ".")]
	}
	return ""
}

func selectors(expr ast.Expr) []string {
	switch e := expr.(type) {
	case *ast.SelectorExpr:
		return append(selectors(e.X), e.Sel.Name)
	case *ast.Ident:
		return []string{e.Name}
	}
	return nil
}

// defaults returns the strings that DefaultConfig of a package sets, by their path.
func (g *generator) defaults(path string) (map[string]string, error) {
	p, err := g.source.load(path)
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	for _, file := range p.files {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Name.Name != "DefaultConfig" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				lit, ok := n.(*ast.CompositeLit)
				if ok {
					collect("", lit, values)
				}
				return !ok
			})
		}
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s has no DefaultConfig", path)
	}
	return values, nil
}

func collect(prefix string, lit *ast.CompositeLit, into map[string]string) {
	for _, element := range lit.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, ok := pair.Key.(*ast.Ident)
		if !ok {
			continue
		}
		switch value := pair.Value.(type) {
		case *ast.CompositeLit:
			collect(prefix+key.Name+".", value, into)
		default:
			into[prefix+key.Name] = valueOf(value, nil)
		}
	}
}
