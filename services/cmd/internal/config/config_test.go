package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/cmd/internal/config"
)

type settings struct {
	Listen string        `yaml:"listen"`
	Wait   time.Duration `yaml:"wait"`
}

func TestLoadIsStrict(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       settings
		wantErr    string
	}{
		{"fields that the file names are set", "listen: here\nwait: 2s\n", settings{Listen: "here", Wait: 2 * time.Second}, ""},
		{"fields that the file does not name keep their value", "wait: 2s\n", settings{Listen: "default", Wait: 2 * time.Second}, ""},
		{"an empty file changes nothing", "", settings{Listen: "default"}, ""},
		{"an unknown name is refused", "lisen: here\n", settings{}, "lisen"},
		{"a wrong type is refused", "wait: soon\n", settings{}, "Duration"},
		{"a second document is refused", "listen: a\n---\nlisten: b\n", settings{}, "only one document"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := settings{Listen: "default"}
			err := config.Load(path, &got)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("Load(%q) = %v, want an error about %q", tt.text, err, tt.wantErr)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("Load(%q) = %+v, %v, want %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestLoadNamesAMissingFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "absent.yaml")
	if err := config.Load(path, &settings{}); err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Errorf("Load(absent) = %v, want an error that names the file", err)
	}
}
