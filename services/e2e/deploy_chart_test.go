//go:build deploy

package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/keyward/keyward/pkg/auth"
)

const chart = deployDir + "/helm/keyward"

// An object is one object of Kubernetes, with the fields that the tests need.
type object struct {
	Kind     string
	Metadata struct {
		Name        string
		Labels      map[string]string
		Annotations map[string]string
	}
	Data map[string]string
	Spec struct {
		Replicas    int
		Selector    yaml.Node
		PodSelector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Ports    []port
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
		Ingress              []struct{ Ports []port }
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
}

type port struct {
	Name       string
	Port       string
	TargetPort string `yaml:"targetPort"`
}

type container struct {
	Name            string
	Args            []string
	Ports           []struct{ Name string }
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	Resources      struct{ Limits, Requests map[string]string }
	LivenessProbe  *probe `yaml:"livenessProbe"`
	ReadinessProbe *probe `yaml:"readinessProbe"`
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
		ReadOnly  bool   `yaml:"readOnly"`
	} `yaml:"volumeMounts"`
}

type pod struct {
	AutomountServiceAccountToken *bool `yaml:"automountServiceAccountToken"`
	SecurityContext              struct {
		RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []container `yaml:"initContainers"`
	Containers     []container
	Volumes        []volume
}

type volume struct {
	Name      string
	ConfigMap struct{ Name string } `yaml:"configMap"`
	Secret    *struct {
		DefaultMode int `yaml:"defaultMode"`
	}
	PersistentVolumeClaim struct {
		ClaimName string `yaml:"claimName"`
	} `yaml:"persistentVolumeClaim"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// render returns the objects that the chart creates from a file of values.
func render(t testing.TB, values string, more ...string) []object {
	t.Helper()
	args := append([]string{"template", "it", chart, "--namespace", "platform", "--kube-version", "1.30.0", "--values", values}, more...)
	decoder := yaml.NewDecoder(strings.NewReader(command(t, "helm", args...)))
	var all []object
	for {
		var o object
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("read the output of the chart for %s: %v", values, err)
		}
		if o.Kind != "" {
			all = append(all, o)
		}
	}
}

func valueFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(chart + "/ci/*-values.yaml")
	check(t, err)
	if len(files) < 3 {
		t.Fatalf("the chart has %d files of values to check, want 3", len(files))
	}
	return files
}

func TestDeployChartHasNoFindings(t *testing.T) {
	for _, values := range valueFiles(t) {
		if _, err := try(t, "helm", "lint", "--strict", "--kube-version", "1.30.0", chart, "--values", values); err != nil {
			t.Errorf("helm lint with %s: %v", values, err)
		}
	}
}

func TestDeployChartConfinesItsPods(t *testing.T) {
	for _, values := range valueFiles(t) {
		workloads := 0
		for _, o := range render(t, values) {
			if o.Kind == "Secret" {
				t.Errorf("%s: the chart creates the secret %s; it must only refer to secrets", values, o.Metadata.Name)
			}
			if o.Kind != "StatefulSet" && o.Kind != "Deployment" {
				continue
			}
			workloads++
			if o.Kind == "StatefulSet" && o.Spec.Replicas != 1 {
				t.Errorf("%s: %s has %d replicas, but one process holds the data", values, o.Metadata.Name, o.Spec.Replicas)
			}
			if err := o.Spec.Template.Spec.confined(); err != nil {
				t.Errorf("%s: %s: %v", values, o.Metadata.Name, err)
			}
			var claims []string
			for _, claim := range o.Spec.VolumeClaimTemplates {
				claims = append(claims, claim.Metadata.Name)
			}
			if err := o.Spec.Template.Spec.consistent(claims); err != nil {
				t.Errorf("%s: %s: %v", values, o.Metadata.Name, err)
			}
		}
		if workloads < 2 {
			t.Errorf("%s: %d workloads, want at least the vault and the allowlist", values, workloads)
		}
	}
}

// confined reports unnecessary permissions of a pod.
func (p pod) confined() error {
	var errs []error
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		errs = append(errs, errors.New("it gets a token of the cluster"))
	}
	if !p.SecurityContext.RunAsNonRoot || p.SecurityContext.SeccompProfile.Type != "RuntimeDefault" {
		errs = append(errs, errors.New("it may be root, or has no seccomp profile"))
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		s := c.SecurityContext
		if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
			errs = append(errs, fmt.Errorf("container %s has unnecessary permissions: %+v", c.Name, s))
		}
		if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" {
			errs = append(errs, fmt.Errorf("container %s has no limits: %+v", c.Name, c.Resources))
		}
		for _, m := range c.VolumeMounts {
			if !m.ReadOnly && m.Name != "data" && m.Name != "backup" {
				errs = append(errs, fmt.Errorf("container %s may write to %s", c.Name, m.MountPath))
			}
		}
	}
	for _, v := range p.Volumes {
		if v.Secret != nil && v.Secret.DefaultMode != 0o440 {
			errs = append(errs, fmt.Errorf("secret %s has mode %o, want 440", v.Name, v.Secret.DefaultMode))
		}
	}
	return errors.Join(errs...)
}

// consistent reports references of a pod to something that does not exist.
func (p pod) consistent(claims []string) error {
	var errs []error
	volumes := claims
	for _, v := range p.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		for _, m := range c.VolumeMounts {
			if !slices.Contains(volumes, m.Name) {
				errs = append(errs, fmt.Errorf("container %s mounts %s, which does not exist", c.Name, m.Name))
			}
		}
	}
	for _, c := range p.Containers {
		var ports []string
		for _, port := range c.Ports {
			ports = append(ports, port.Name)
		}
		for _, probe := range []*probe{c.LivenessProbe, c.ReadinessProbe} {
			if probe == nil || !slices.Contains(ports, probe.HTTPGet.Port) {
				errs = append(errs, fmt.Errorf("container %s has no probe, or a probe of a port that it does not have", c.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// TestDeployChartAnnotatesServiceAccounts is about key providers in a cloud, which know a pod by its account.
func TestDeployChartAnnotatesServiceAccounts(t *testing.T) {
	const role = "eks.amazonaws.com/role-arn"
	accounts := 0
	for _, o := range render(t, chart+"/ci/full-values.yaml") {
		if o.Kind != "ServiceAccount" {
			continue
		}
		accounts++
		if annotated := o.Metadata.Annotations[role] != ""; annotated != strings.HasSuffix(o.Metadata.Name, "-vault") {
			t.Errorf("the account %s has the annotations %v, want those of the vault only", o.Metadata.Name, o.Metadata.Annotations)
		}
	}
	if accounts != 3 {
		t.Errorf("the chart has %d service accounts, want 3", accounts)
	}
}

// TestDeployChartMountsAVolumeForBackups checks that a program has a folder for backups if and only if a claim is
// named, and that this is not the disk with the data.
func TestDeployChartMountsAVolumeForBackups(t *testing.T) {
	for values, want := range map[string]bool{"full": true, "minimal": false} {
		for _, o := range render(t, chart+"/ci/"+values+"-values.yaml") {
			if o.Kind != "StatefulSet" {
				continue
			}
			p, mounted := o.Spec.Template.Spec, false
			for _, m := range p.Containers[0].VolumeMounts {
				mounted = mounted || m.Name == "backup" && m.MountPath == "/var/lib/keyward-backup"
			}
			claim := ""
			for _, v := range p.Volumes {
				if v.Name == "backup" {
					claim = v.PersistentVolumeClaim.ClaimName
				}
			}
			if mounted != want || (claim != "") != want || strings.HasSuffix(claim, "-data") {
				t.Errorf("%s: %s mounts a volume for backups: %v, from the claim %q, want %v", values, o.Metadata.Name, mounted, claim, want)
			}
		}
	}
}

// TestDeployChartMountsPresetsOfTheOperator checks that only the allowlist has a folder for presets, if and only
// if a ConfigMap is named, and that its configuration names the folder.
func TestDeployChartMountsPresetsOfTheOperator(t *testing.T) {
	for values, named := range map[string]bool{"full": true, "minimal": false} {
		for _, o := range render(t, chart+"/ci/"+values+"-values.yaml") {
			want := named && o.Metadata.Name == "it-keyward-allowlist"
			switch o.Kind {
			case "ConfigMap":
				if got := strings.Contains(o.Data["allowlist.yaml"], "presets_dir: /etc/keyward/presets"); got != want {
					t.Errorf("%s: the configuration %s names the folder of presets: %v, want %v", values, o.Metadata.Name, got, want)
				}
			case "StatefulSet":
				mounted := slices.ContainsFunc(o.Spec.Template.Spec.Volumes, func(v volume) bool { return v.Name == "presets" && v.ConfigMap.Name == "allowlist-presets" })
				for _, m := range o.Spec.Template.Spec.Containers[0].VolumeMounts {
					mounted = mounted && (m.Name != "presets" || m.ReadOnly && m.MountPath == "/etc/keyward/presets")
				}
				if mounted != want {
					t.Errorf("%s: %s mounts presets: %v, want %v", values, o.Metadata.Name, mounted, want)
				}
			}
		}
	}
}

func TestDeployChartUpgradesDataBeforeItServes(t *testing.T) {
	for _, values := range valueFiles(t) {
		for _, o := range render(t, values) {
			if o.Kind != "StatefulSet" {
				continue
			}
			p := o.Spec.Template.Spec
			if len(p.InitContainers) != 1 || p.InitContainers[0].Args[0] != "upgrade" || p.Containers[0].Args[0] != "serve" {
				t.Errorf("%s: %s starts %+v and then %+v, want upgrade and serve", values, o.Metadata.Name, p.InitContainers, p.Containers)
			}
		}
	}
}

// TestDeployChartSelectsItsPods checks the selectors. In Kubernetes, a selector that matches
// nothing is not an error; a network policy with such a selector protects nothing.
func TestDeployChartSelectsItsPods(t *testing.T) {
	for _, values := range valueFiles(t) {
		objects := render(t, values)
		for _, o := range objects {
			selector := o.selector(t)
			if selector == nil {
				continue
			}
			var ports []string
			for _, w := range objects {
				if (w.Kind == "StatefulSet" || w.Kind == "Deployment") && selects(selector, w.Spec.Template.Metadata.Labels) {
					for _, port := range w.Spec.Template.Spec.Containers[0].Ports {
						ports = append(ports, port.Name)
					}
				}
			}
			wanted := []string{}
			for _, port := range o.Spec.Ports {
				wanted = append(wanted, port.TargetPort)
			}
			for _, rule := range o.Spec.Ingress {
				for _, port := range rule.Ports {
					wanted = append(wanted, port.Port)
				}
			}
			for _, port := range wanted {
				if !slices.Contains(ports, port) {
					t.Errorf("%s: %s %s: the pods that it selects have no port %s", values, o.Kind, o.Metadata.Name, port)
				}
			}
			if len(ports) == 0 {
				t.Errorf("%s: %s %s selects no pod", values, o.Kind, o.Metadata.Name)
			}
		}
	}
}

// selector returns the pod selector of an object, or nil if it has none.
func (o object) selector(t testing.TB) map[string]string {
	t.Helper()
	var labels map[string]string
	switch o.Kind {
	case "Service":
		check(t, o.Spec.Selector.Decode(&labels))
	case "StatefulSet", "Deployment", "PodDisruptionBudget":
		var s struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		check(t, o.Spec.Selector.Decode(&s))
		labels = s.MatchLabels
	case "NetworkPolicy":
		labels = o.Spec.PodSelector.MatchLabels
	}
	return labels
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

// TestDeployChartWritesConfigurationsThatAreAccepted also checks that the files in the
// configurations exist in the pods.
func TestDeployChartWritesConfigurationsThatAreAccepted(t *testing.T) {
	for _, values := range valueFiles(t) {
		objects := render(t, values)
		mounts := make(map[string][]string)
		for _, o := range objects {
			for _, c := range o.Spec.Template.Spec.Containers {
				for _, m := range c.VolumeMounts {
					mounts[c.Name] = append(mounts[c.Name], m.MountPath+"/")
				}
			}
		}
		for _, o := range objects {
			for file, text := range o.Data {
				program, _ := strings.CutSuffix(file, ".yaml")
				switch {
				case o.Kind != "ConfigMap" || program == file:
				case program == "policy":
					if _, err := auth.ParsePolicy([]byte(text)); err != nil {
						t.Errorf("%s: the policy is refused: %v", values, err)
					}
				default:
					path := filepath.Join(t.TempDir(), file)
					check(t, os.WriteFile(path, []byte(text), 0o600))
					if _, err := try(t, imageRoot(t, program)+"/keyward", "check", "--config", path); err != nil {
						t.Errorf("%s: %s is refused: %v\n%s", values, file, err, text)
					}
					for _, path := range paths(t, text) {
						if !slices.ContainsFunc(mounts[program], func(m string) bool { return strings.HasPrefix(path+"/", m) }) {
							t.Errorf("%s: %s names %s, which is in no volume", values, file, path)
						}
					}
				}
			}
		}
	}
}

// paths returns the absolute paths in a configuration.
func paths(t testing.TB, text string) []string {
	t.Helper()
	var root yaml.Node
	check(t, yaml.Unmarshal([]byte(text), &root))
	var found []string
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		if strings.HasPrefix(n.Value, "/") {
			found = append(found, n.Value)
		}
		for _, child := range n.Content {
			walk(child)
		}
	}
	walk(&root)
	return found
}

func TestDeployChartSaysWhatIsMissing(t *testing.T) {
	minimal := chart + "/ci/minimal-values.yaml"
	cases := map[string]string{ // a setting, and the expected refusal
		"trustDomain=":                      "trustDomain",
		"issuers=null":                      "issuers",
		"vault.tls.existingSecret=":         "vault.tls.existingSecret is required",
		"vault.key.existingSecret=":         "vault.key.existingSecret is required",
		"allowlist.key.existingSecret=":     "allowlist.key.existingSecret is required",
		"gateway.client.existingSecret=":    "gateway.client.existingSecret is required",
		"vault.replicas=2":                  "replicas",
		"vault.persist.size=1Gi":            "persist",
		"vault.backup.folder=/backup":       "folder",
		"vault.backup.keep=0":               "backup/keep",
		"allowlist.backup.every=daily":      "backup/every",
		"vault.presets.existingConfigMap=p": "presets",
		"log.level=loud":                    "log/level",
	}
	for _, setting := range slices.Sorted(maps.Keys(cases)) {
		_, err := try(t, "helm", "template", "it", chart, "--kube-version", "1.30.0", "--values", minimal, "--set", setting)
		if err == nil || !strings.Contains(err.Error(), cases[setting]) {
			t.Errorf("helm template --set %s = %v, want a refusal with %q", setting, err, cases[setting])
		}
	}
}
