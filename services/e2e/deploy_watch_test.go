//go:build deploy

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const rules = deployDir + "/prometheus/rules.yaml"

func TestDeployRulesHoldAndFire(t *testing.T) {
	command(t, "promtool", "check", "rules", rules)
	command(t, "promtool", "test", "rules", deployDir+"/prometheus/rules_test.yaml")
}

// TestDeployRulesAreTestedBothWays checks that each alert has a test in which it fires, and one in which it
// does not.
func TestDeployRulesAreTestedBothWays(t *testing.T) {
	var file struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	check(t, yaml.Unmarshal([]byte(readFile(t, rules)), &file))
	var tests struct {
		Tests []struct {
			Alerts []struct {
				Name string `yaml:"alertname"`
				Want []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
			Expressions []struct {
				Samples []struct{ Labels string } `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		}
	}
	check(t, yaml.Unmarshal([]byte(readFile(t, deployDir+"/prometheus/rules_test.yaml")), &tests))
	fires, silent := make(map[string]bool), make(map[string]bool)
	firing := regexp.MustCompile(`alertname="(\w+)"`)
	for _, tt := range tests.Tests {
		for _, a := range tt.Alerts {
			fires[a.Name], silent[a.Name] = fires[a.Name] || len(a.Want) > 0, silent[a.Name] || len(a.Want) == 0
		}
		for _, e := range tt.Expressions {
			for _, sample := range e.Samples {
				if name := firing.FindStringSubmatch(sample.Labels); name != nil {
					fires[name[1]] = true
				}
			}
		}
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Alert != "" && (!fires[rule.Alert] || !silent[rule.Alert]) {
				t.Errorf("%s is tested to fire: %v, and not to fire: %v", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			}
		}
	}
}

// TestDeployRulesAndDashboardKnowTheMetrics checks the names of metrics, because a rule for a
// metric that does not exist never fires.
func TestDeployRulesAndDashboardKnowTheMetrics(t *testing.T) {
	text, err := os.ReadFile(rules)
	check(t, err)
	var file struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string }
		}
	}
	check(t, yaml.Unmarshal(text, &file))
	known := map[string]bool{"up": true}
	for _, name := range regexp.MustCompile(`(?m)^([a-z_:]+)`).FindAllString(composeMetrics(t), -1) {
		known[name] = true
	}
	expressions := make(map[string]string)
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			known[rule.Record] = true
			expressions[rule.Record+rule.Alert] = rule.Expr
		}
	}
	for panel, expr := range panels(t) {
		expressions["panel "+panel] = expr
	}
	if len(expressions) < 20 {
		t.Fatalf("found %d expressions, want dozens", len(expressions))
	}
	metric := regexp.MustCompile(`\b(up|(?:grpc|keyward|process|go)[_:][a-z0-9_:]+)\b`)
	labels := regexp.MustCompile(`grpc_(service|method|code)\b`)
	for where, expr := range expressions {
		for _, name := range metric.FindAllString(expr, -1) {
			if !known[name] && !labels.MatchString(name) {
				t.Errorf("%s: no program exposes %s", where, name)
			}
		}
	}
}

// TestDeployDashboardAsksWhatPrometheusUnderstands checks each query with promtool.
func TestDeployDashboardAsksWhatPrometheusUnderstands(t *testing.T) {
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var asked []rule
	for _, expr := range panels(t) {
		// Grafana replaces these variables before a query.
		expr = strings.NewReplacer("$__rate_interval", "5m", "$job", "a", "$instance", "b").Replace(expr)
		asked = append(asked, rule{fmt.Sprintf("q%d", len(asked)), expr})
	}
	if len(asked) < 15 {
		t.Fatalf("the dashboard has %d queries, want at least 15", len(asked))
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": asked}}})
	check(t, err)
	path := filepath.Join(t.TempDir(), "rules.yaml")
	check(t, os.WriteFile(path, text, 0o600))
	command(t, "promtool", "check", "rules", path)
}

// panels returns the queries of the dashboard by panel.
func panels(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile(deployDir + "/grafana/keyward.json")
	check(t, err)
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	check(t, json.Unmarshal(text, &dashboard))
	queries, ids := make(map[string]string), make(map[int]bool)
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("the dashboard has two panels with the ID %d", panel.ID)
		}
		ids[panel.ID] = true
		for i, target := range panel.Targets {
			queries[fmt.Sprintf("%s %d", panel.Title, i)] = target.Expr
		}
	}
	return queries
}
