package telemetry_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/buildinfo"
	"github.com/keyward/keyward/pkg/telemetry"
)

func TestTheBuildIsInTheFirstLineAndInTheMetrics(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", &log)
	if err != nil {
		t.Fatal(err)
	}
	observed.Flush()
	build := buildinfo.Read()

	var line struct{ Msg, Service, Version, Commit, Date, Go string }
	if err := json.NewDecoder(&log).Decode(&line); err != nil {
		t.Fatalf("read the first line: %v", err)
	}
	if line.Msg != "starting" || line.Service != "test" || line.Version != build.Version || line.Commit != build.Commit || line.Go != build.Go {
		t.Errorf("the first line is %+v, want the build %+v", line, build)
	}

	families, err := observed.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	labels := make(map[string]string)
	for _, family := range families {
		if family.GetName() != "keyward_build_info" {
			continue
		}
		if got := family.GetMetric()[0].GetGauge().GetValue(); got != 1 {
			t.Errorf("keyward_build_info = %v, want 1", got)
		}
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels[label.GetName()] = label.GetValue()
		}
	}
	want := map[string]string{"version": build.Version, "commit": build.Commit, "goversion": build.Go}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("the labels of keyward_build_info (-want +got):\n%s", diff)
	}
}
