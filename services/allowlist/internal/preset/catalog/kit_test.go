package catalog_test

import (
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/preset"
	"github.com/keyward/keyward/services/allowlist/internal/preset/catalog"
)

// load returns the presets and their catalog.
func load(t testing.TB) (*preset.Library, *catalog.Catalog) {
	t.Helper()
	l, err := preset.New()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := catalog.Below("../..").Answers()
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.New(l, answers)
	if err != nil {
		t.Fatal(err)
	}
	return l, c
}
