package server

import (
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// A DataChecker is a Service that checks its stored data.
type DataChecker interface {
	// Tampered returns a channel that is closed once the service should not be used any more, because
	// something else changed its data. The health of its gRPC services and of the whole server is
	// NOT_SERVING from then on, so that load balancers turn away. Requests are still answered.
	Tampered() <-chan struct{}
}

// A DiskWriter is a Service that stores its data on a disk.
type DiskWriter interface {
	// DiskFull reports whether changes are refused because the disk is full. /readyz then returns 503,
	// until there is space again. The gRPC health stays SERVING: the service still answers everything that
	// changes nothing, and a caller of a change gets DISK_FULL.
	DiskFull() bool
}

// followHealth updates the health until the drain begins. The health of data that was changed
// before is up to date when followHealth returns.
func (s *Server) followHealth() {
	for i, svc := range s.services {
		checker, ok := svc.(DataChecker)
		if !ok {
			continue
		}
		names := s.names[i]
		select {
		case <-checker.Tampered():
			s.fail(names)
		default:
			go func() {
				select {
				case <-checker.Tampered():
					s.fail(names)
				case <-s.draining:
				}
			}()
		}
	}
}

// fail reports gRPC services, and with them the server, as unfit.
func (s *Server) fail(names []string) {
	for _, name := range append([]string{""}, names...) {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_NOT_SERVING)
	}
}
