package endpoint

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/resource"
)

// degraded is the state of an active endpoint whose proof was missing at the last check, as the metric
// shows it.
const degraded State = "DEGRADED"

// A standings knows the state of each endpoint, and which endpoints are off because of a loss. It is
// updated like the matcher.
type standings struct {
	mu     sync.Mutex
	states map[Name]State
	lost   map[Name]bool
	gauge  *prometheus.GaugeVec
}

func newStandings(metrics prometheus.Registerer) (*standings, error) {
	s := &standings{
		states: make(map[Name]State), lost: make(map[Name]bool),
		gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "keyward_endpoints",
			Help: "Endpoints by state: PENDING, ACTIVE, INACTIVE, and DEGRADED for an active one whose proof is missing.",
		}, []string{"state"}),
	}
	for _, state := range []State{Pending, Active, Inactive, degraded} {
		s.gauge.WithLabelValues(string(state)).Set(0)
	}
	if err := metrics.Register(s.gauge); err != nil {
		return nil, err
	}
	return s, metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyward_endpoints_lost",
		Help: "Endpoints that are off because a secret or a version that they refer to no longer exists.",
	}, func() float64 {
		s.mu.Lock()
		defer s.mu.Unlock()
		return float64(len(s.lost))
	}))
}

// set updates the entry of an endpoint, or deletes it if e is nil.
func (s *standings) set(name Name, e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, known := s.states[name]; known {
		s.gauge.WithLabelValues(string(before)).Dec()
	}
	delete(s.states, name)
	delete(s.lost, name)
	if e == nil {
		return
	}
	state := e.State
	if state == Active && e.Verification.Degraded() {
		state = degraded
	}
	s.states[name] = state
	s.gauge.WithLabelValues(string(state)).Inc()
	if e.Lost {
		s.lost[name] = true
	}
}

// lostIn returns the endpoints of a workspace, or of all for [resource.Any], that are off because of a
// loss, by name.
func (s *standings) lostIn(workspace string) []Name {
	s.mu.Lock()
	names := slices.Collect(maps.Keys(s.lost))
	s.mu.Unlock()
	names = slices.DeleteFunc(names, func(n Name) bool { return workspace != resource.Any && n.Workspace != workspace })
	slices.SortFunc(names, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
	})
	return names
}
