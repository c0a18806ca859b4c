package allowlist_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/filecheck"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// ownPreset is a preset of an operator.
const ownPreset = `{
  "id": "partner", "displayName": "The partner", "description": "AES-256-GCM in JSON.",
  "encryption": {"request": {"cipher": {"algorithm": "ALGORITHM_AES_256_GCM",
    "sharedKey": {"keys": [{"name": "workspaces/-/secrets/key"}]}}}},
  "secrets": [{"name": "key", "description": "The key.", "usage": "KEY"}]
}`

func TestEndpointsOfAPresetOfAnOperatorWorkWithoutItsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "partner.json")
	allowlisttest.Must(t, os.WriteFile(file, []byte(ownPreset), 0o600))
	k := allowlisttest.Make(t, 0, func(k *allowlisttest.Kit) { k.Config.PresetsDir = dir })
	lists := func() bool {
		resp, err := k.Member.ListPresets(t.Context(), &allowlistv1.ListPresetsRequest{})
		allowlisttest.Must(t, err)
		for _, p := range resp.GetPresets() {
			if p.GetId() == "partner" {
				return len(p.GetKeyPurposes()) == 1
			}
		}
		return false
	}
	if !lists() {
		t.Error("ListPresets lacks the preset of the folder")
	}
	secret := k.Secret(t, "bank-key", allowlisttest.KeyOf(1)...)
	draft := func() *allowlistv1.Endpoint {
		return allowlisttest.WithPreset(&allowlistv1.PresetUse{Id: "partner", Secrets: map[string]*allowlistv1.SecretRef{"key": {Name: secret}}})
	}
	k.Active(t, "bank", draft())
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("bank"), Body: []byte(allowlisttest.Sample)})

	allowlisttest.Must(t, os.Remove(file))
	k.Restart(t)
	if lists() {
		t.Error("ListPresets has the preset whose file was removed")
	}
	opened, err := k.Open(t, "bank", sent.GetBody(), allowlistv1.MessageKind_MESSAGE_KIND_REQUEST)
	if err != nil || string(opened.GetBody()) != allowlisttest.Sample {
		t.Errorf("Decrypt after the file was removed = %v", err)
	}
	saved := k.Owner.Get(t, "bank")
	saved.Description = "changed"
	if _, err := k.Owner.Update(t, saved, "description", "encryption"); err != nil {
		t.Errorf("UpdateEndpoint after the file was removed: %v", err)
	}
	if fields, err := k.Refusal(t, draft()); err == nil || len(fields) != 1 || fields[0] != "endpoint.encryption.preset.id" {
		t.Errorf("CreateEndpoint with the removed preset = %v %v", fields, err)
	}
}

func TestABadPresetOfAnOperatorStopsTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	allowlisttest.Must(t, os.WriteFile(filepath.Join(dir, "partner.json"), []byte(strings.Replace(ownPreset, "GCM\",", "GCM2\",", 1)), 0o600))
	k := allowlisttest.New(t)
	k.Server.Stop()
	k.Config.PresetsDir = dir
	_, err := allowlist.New(t.Context(), k.Config, k.Env.Logger, nil)
	if err == nil || !strings.Contains(err.Error(), "partner.json: line 3, column ") {
		t.Errorf("New = %v, want an error with the file and the line", err)
	}
	report := filecheck.New(k.Clock.Now())
	k.Config.CheckFiles(report)
	if errs := report.Errors(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "partner.json") {
		t.Errorf("CheckFiles reports %v, want the bad preset", errs)
	}
}
