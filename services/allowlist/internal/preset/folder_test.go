package preset_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// partner is a preset of an operator.
const partner = `{
  "id": "partner",
  "displayName": "The partner",
  "description": "AES-256-GCM in JSON, and a signature.",
  "encryption": {
    "request": {
      "cipher": {
        "algorithm": "ALGORITHM_AES_256_GCM",
        "sharedKey": {"keys": [{"name": "workspaces/-/secrets/key", "decoding": "DECODING_BASE64"}]}
      },
      "selection": {"fields": {"paths": ["{{fields}}"]}},
      "signing": {
        "mac": {"algorithm": "ALGORITHM_HMAC_SHA256"},
        "keys": [{"name": "workspaces/-/secrets/mac"}],
        "headers": {"{{header}}": "v1=${signature}"}
      }
    }
  },
  "secrets": [
    {"name": "key", "description": "The key.", "usage": "KEY"},
    {"name": "mac", "description": "The key of the signature.", "usage": "KEY"}
  ],
  "settings": [
    {"name": "fields", "description": "The fields."},
    {"name": "header", "description": "The header."}
  ]
}`

// folderOf returns a folder with files.
func folderOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPresetsOfAFolderAreUsedLikeBuiltInOnes(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{"partner.json": partner, "partner.answer.json": "[]", ".hidden": "{"})
	// A ConfigMap is mounted as links into a hidden folder.
	if err := os.Mkdir(filepath.Join(dir, "..data"), 0o700); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(dir, "..data", "linked.json")
	if err := os.WriteFile(linked, []byte(strings.Replace(partner, `"partner"`, `"linked"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(linked, filepath.Join(dir, "linked.json")); err != nil {
		t.Fatal(err)
	}
	l, err := preset.Open(dir, now)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if got, want := len(l.List()), len(library(t).List())+2; got != want {
		t.Errorf("the library has %d presets, want %d", got, want)
	}
	for _, id := range []string{"linked", "partner"} {
		p := find(t, l, id)
		if len(p.GetKeyPurposes()) != 2 {
			t.Errorf("%s lists the purposes of %d keys, want 2", id, len(p.GetKeyPurposes()))
		}
		u := use(p)
		u.Settings["header"] = "X-Signature"
		if headers := compile(t, l, u).Proto().GetRequest().GetSigning().GetHeaders(); headers["X-Signature"] == "" {
			t.Errorf("the configuration of %s has the headers %v", id, headers)
		}
	}
}

// A saved endpoint has the configuration written out, so it does not need the preset's file.
func TestAConfigurationOutlivesThePresetThatItCameFrom(t *testing.T) {
	t.Parallel()
	dir := folderOf(t, map[string]string{"partner.json": partner})
	l, err := preset.Open(dir, now)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	u := use(find(t, l, "partner"))
	u.Settings["header"] = "X-Signature"
	saved := compile(t, l, u).Proto()
	if err := os.Remove(filepath.Join(dir, "partner.json")); err != nil {
		t.Fatal(err)
	}
	without, err := preset.Open(dir, now)
	if err != nil {
		t.Fatalf("Open without the file: %v", err)
	}
	if _, err := without.Parse(saved, "acme", now); err != nil {
		t.Errorf("Parse what was saved: %v", err)
	}
	if _, err := without.Parse(&allowlistv1.Encryption{Preset: u}, "acme", now); err == nil {
		t.Error("Parse expands a preset whose file was removed")
	}
}

func TestWithoutAFolderTheLibraryHasTheBuiltInPresets(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		if l, err := preset.Open(dir, now); err != nil || len(l.List()) != len(library(t).List()) {
			t.Errorf("Open(%q) = %v", dir, err)
		}
	}
}

// confidential stands for a value in a file, which errors must not repeat.
const confidential = "q8Xv2LmN4rTzK1pW"

func TestABadPresetIsRefusedWithItsFileAndItsPlace(t *testing.T) {
	t.Parallel()
	const key = `"keys": [{"name": "workspaces/-/secrets/key", "decoding": "DECODING_BASE64"}]`
	tests := []struct{ name, old, new, want string }{
		{"no JSON", `"id"`, confidential, "line 2, column 3: is not the JSON of a preset"},
		{"half a file", `"settings": [`, `"settings": [{"name": "` + confidential, "is not the JSON of a preset"},
		{"an unknown field", `"id":`, `"` + confidential + `": 1, "id":`, "line 2, column 3: has a field that a preset does not have"},
		{"a field twice", `"id":`, `"id": "` + confidential + `", "id":`, "has a field twice"},
		{"an unknown value", "ALGORITHM_AES_256_GCM", confidential, "line 8, column 22: has a value"},
		{"a wrong type", `"ALGORITHM_AES_256_GCM"`, `{"` + confidential + `": 1}`, "line 8, column 22: "},
		{"another ID", `"id": "partner"`, `"id": "` + confidential + `"`, "its id must be the name of its file"},
		{"no display name", `"The partner"`, `""`, "display_name"},
		{"a key in the description", "AES-256-GCM in JSON", "3f1c9a7be2d84056a1f7c3e9d2b84f60715ac9e8d4b3f2a1", "description: must not look like key material or a credential"},
		{"a reference without a secret", "secrets/mac", "secrets/other", "references must match"},
		{"a placeholder without a setting", "{{header}}", "{{other}}", "placeholders must match"},
		{"a name with a space", `"name": "fields"`, `"name": "` + confidential + ` "`, "placeholders must match"},
		{"another usage", `"description": "The key.", "usage": "KEY"`, `"description": "The key.", "usage": "` + confidential + `"`, "secrets[0].usage: must be KEY"},
		{"a key in the configuration", "v1=${signature}", "3f1c9a7be2d84056a1f7c3e9d2b84f60715ac9e8d4b3f2a1${signature}", "must not look like key material"},
		{"a default that is no setting", `"description": "The header."`, `"description": "The header.", "defaultValue": "` + confidential + ` "`, "settings[1].default_value: must be"},
		{"an invalid default", `"description": "The fields."`, `"description": "The fields.", "defaultValue": "` + confidential + `"`, "encryption.request.selection.fields.paths[0]"},
		{"a key without a place", key, `"keys": []`, "references must match"},
		{"a mode without a choice", `"ALGORITHM_AES_256_GCM"`, `"ALGORITHM_UNSPECIFIED"`, "encryption.request.cipher.algorithm"},
		{"an acknowledgement", `"signing": {`, `"allowLegacy": [{"flag": "FLAG_ECB", "reason": "` + confidential + `"}], "signing": {`, "allow_legacy must be unset"},
		{"a preset of a preset", `"encryption": {`, `"encryption": {"preset": {"id": "kotak"},`, "encryption.preset: must be unset"},
		{"a grace", `"encryption": {`, `"encryption": {"rotationGrace": "60s",`, "encryption.rotation_grace: must be unset"},
		{"a value beyond a rule of the contract", `"signing": {`, `"signing": {"input": "${body}` + strings.Repeat("a ", 1024) + `",`, "encryption.request.signing.input"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(partner, test.old, test.new, 1)
			if text == partner {
				t.Fatal("the text was not found")
			}
			_, err := preset.Open(folderOf(t, map[string]string{"partner.json": text}), now)
			if err == nil || !strings.Contains(err.Error(), "partner.json: ") || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Open = %v, want an error with %q", err, test.want)
			}
			if strings.Contains(err.Error(), confidential) || strings.Contains(err.Error(), "3f1c9a7b") {
				t.Errorf("the error repeats a value: %v", err)
			}
		})
	}
}

func TestAFolderHoldsPresetsOnly(t *testing.T) {
	t.Parallel()
	large := strings.Replace(partner, "\n", "\n"+strings.Repeat(" ", 256<<10), 1)
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"another kind of file", map[string]string{"README.md": ""}, "README.md: the name must be ID.json"},
		{"a capital letter", map[string]string{"Partner.json": partner}, "Partner.json: the name must be"},
		{"a long name", map[string]string{strings.Repeat("a", 65) + ".json": partner}, "the name must be"},
		{"the ID of a built-in preset", map[string]string{"kotak.json": strings.Replace(partner, `"partner"`, `"kotak"`, 1)}, "kotak.json: a built-in preset has this ID"},
		{"an answer without a preset", map[string]string{"partner.answer.json": "[]"}, "partner.answer.json: the folder has no partner.json"},
		{"a large file", map[string]string{"partner.json": large}, "partner.json: has more than 262144 bytes"},
		{"two bad files", map[string]string{"a.json": "", "b.json": ""}, "b.json: "},
	}
	for _, test := range tests {
		if _, err := preset.Open(folderOf(t, test.files), now); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Open = %v, want an error with %q", test.name, err, test.want)
		}
	}
	special := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(special, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(special, "folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := preset.Open(special, now)
	for _, want := range []string{"pipe.json: must be a regular file", "folder.json: must be a regular file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open = %v, want an error with %q", err, want)
		}
	}
	if _, err := preset.Open(filepath.Join(special, "absent"), now); err == nil {
		t.Error("Open of a folder that does not exist succeeded")
	}
}

func TestAFolderHasLimits(t *testing.T) {
	t.Parallel()
	many, large := make(map[string]string), make(map[string]string)
	for i := range 501 {
		id := fmt.Sprintf("p%d", i)
		many[id+".json"] = strings.Replace(partner, `"partner"`, `"`+id+`"`, 1)
	}
	if _, err := preset.Open(folderOf(t, many), now); err == nil || !strings.Contains(err.Error(), "more than 500 presets") {
		t.Errorf("Open of 501 presets = %v", err)
	}
	for i := range 20 {
		id := fmt.Sprintf("p%d", i)
		text := strings.Replace(partner, `"partner"`, `"`+id+`"`, 1)
		large[id+".json"] = strings.Replace(text, "and a signature.", strings.Repeat("and a signature ", 15000)+".", 1)
	}
	if _, err := preset.Open(folderOf(t, large), now); err == nil || !strings.Contains(err.Error(), "all presets together") {
		t.Errorf("Open of large presets = %v", err)
	}
}

// The built-in presets pass the check of an operator's presets, so a copy of one is a good start.
func TestACopyOfABuiltInPresetIsAccepted(t *testing.T) {
	t.Parallel()
	files := make(map[string]string)
	for _, p := range library(t).List() {
		text, err := os.ReadFile(filepath.Join("presets", p.GetId()+".json"))
		if err != nil {
			t.Fatal(err)
		}
		id := "own_" + p.GetId()
		// Two descriptions quote a fixed IV, which looks like a key.
		files[id+".json"] = strings.NewReplacer(`"id": "`+p.GetId()+`"`, `"id": "`+id+`"`, "000102030405060708090a0b0c0d0e0f", "of the bytes 0 to 15").Replace(string(text))
	}
	if _, err := preset.Open(folderOf(t, files), now); err != nil {
		t.Errorf("Open: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(partner))
	f.Add([]byte(`{"id":"partner","encryption":{}}`))
	f.Add([]byte(`{"id":"partner","displayName":"a","description":"a"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := preset.Open(folderOf(t, map[string]string{"partner.json": string(text)}), now)
		if err != nil {
			return
		}
		shown, err := protojson.Marshal(find(t, l, "partner"))
		if err != nil || !json.Valid(shown) {
			t.Errorf("the preset cannot be shown: %v", err)
		}
	})
}
