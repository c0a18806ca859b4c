package server

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/accesslog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

// AccessLogConfig configures the access records.
type AccessLogConfig struct {
	// File is the file to which the server appends a JSON object for each request of the
	// contract, before the response leaves. It is created with mode 0600 and must belong to
	// the user of the program. Requests fail with UNAVAILABLE while it cannot be written.
	// Default no access records.
	File string `yaml:"file"`
}

// records writes the access records of a server.
type records struct {
	log    *accesslog.Log
	failed prometheus.Counter
}

// newRecords opens the access log. It returns nil if none is configured.
func newRecords(cfg AccessLogConfig, metrics prometheus.Registerer) (*records, error) {
	if cfg.File == "" {
		return nil, nil
	}
	r := &records{failed: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "keyward_access_log_errors_total",
		Help: "Requests that were refused because their access record could not be written.",
	})}
	if err := metrics.Register(r.failed); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	var err error
	if r.log, err = accesslog.Open(cfg.File); err != nil {
		return nil, fmt.Errorf("set up access_log.file: %w", err)
	}
	return r, nil
}

// close closes the log after the last request.
func (r *records) close() error {
	if r == nil {
		return nil
	}
	return r.log.Close()
}

// record writes the access record of the request before its response leaves, and refuses the
// request if that fails. Health, reflection, and unknown methods have no record. The response of a
// stream begins when its request is accepted, so its record says so.
func (r *request) record(code codes.Code) error {
	records := r.server.records
	if records == nil || !r.method.contract || r.recorded {
		return nil
	}
	r.recorded = true
	var space [1024]byte
	err := records.log.Write(r, r.appendRecord(space[:0], code, time.Now()))
	if err == nil {
		return nil
	}
	if r.Err() != nil {
		return context.Cause(r) // no one waits for the response
	}
	records.failed.Inc()
	return fault.New(fault.Unavailable, fault.Unreachable,
		"the access record of the request could not be written; a change may or may not have been made").
		Retry(time.Second).Because(err)
}

// appendRecord appends the access record.
func (r *request) appendRecord(line []byte, code codes.Code, now time.Time) []byte {
	line = append(line, `{"time":"`...)
	line = now.UTC().AppendFormat(line, time.RFC3339Nano)
	line = telemetry.AppendJSON(append(line, `","request_id":`...), r.id)
	line = telemetry.AppendJSON(append(line, `,"rpc":`...), r.method.rpc)
	line = telemetry.AppendJSON(append(line, `,"code":`...), code.String())
	line = append(line, `,"ms":`...)
	line = strconv.AppendFloat(line, float64(now.Sub(r.begin).Microseconds())/1000, 'f', -1, 64)
	if r.caller.Subject != "" {
		line = telemetry.AppendJSON(append(line, `,"subject":`...), r.caller.Subject)
		line = telemetry.AppendJSON(append(line, `,"authentication":`...), r.caller.Authentication)
		line = telemetry.AppendJSON(append(line, `,"address":`...), r.caller.Address)
	}
	if r.resource.Name != "" {
		line = telemetry.AppendJSON(append(line, `,"workspace":`...), r.resource.WorkspaceName())
		line = telemetry.AppendJSON(append(line, `,"resource":`...), r.resource.Name)
	}
	return append(line, '}')
}
