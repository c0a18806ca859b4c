package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/keyward/keyward/pkg/telemetry"
)

// An Opening opens a service that may have to wait for something outside the program.
type Opening struct {
	// Open opens the service. It is called again after it failed with an awaited error.
	Open func(context.Context) (Service, error)
	// Awaits returns what to wait for after an error of Open, such as "the key provider", or an
	// empty string if the error does not go away by itself. Callers without a role can read it.
	Awaits func(error) string
}

// The pace of attempts to open a service. Each pause is twice as long as the one before, and up to
// half longer or shorter at random, so that programs that wait for the same thing do not return to
// it at the same moment.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// remind is the time after which an unchanged error is logged again.
const remind = time.Minute

// RunOpening is [Run] for a service that may have to wait before it can open. While it waits, the
// ports are open: the health of all services is NOT_SERVING, other methods return UNAVAILABLE, and
// /readyz returns 503 with the reason. The server then takes over the ports without closing them.
// An error that is not awaited ends it at once.
func RunOpening(ctx context.Context, cfg Config, t *telemetry.Telemetry, o Opening) error {
	// A SIGHUP before the first files are followed, or while the server takes over, has nothing to
	// reload, and must not end the program.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	svc, err := o.Open(ctx)
	if err == nil {
		return Run(ctx, cfg, t, svc)
	}
	what := o.Awaits(err)
	if what == "" || ctx.Err() != nil {
		return err
	}
	p, listenErr := listen(ctx, cfg)
	if listenErr != nil {
		return errors.Join(err, listenErr)
	}
	w, waitErr := newWaiting(ctx, cfg, t, what)
	if waitErr != nil {
		return errors.Join(err, waitErr, p.close())
	}
	handOver := w.serve(ctx, p)
	svc, err = w.open(ctx, o, err)
	if err != nil {
		handOver()
		if ctx.Err() != nil {
			err = nil // the program was asked to stop
		}
		return errors.Join(err, p.close())
	}
	services := []Service{svc}
	s, err := New(cfg, t, services...) //nolint:contextcheck // requests bring their own contexts
	handOver()
	if err != nil {
		return errors.Join(err, p.close(), CloseAll(services))
	}
	return errors.Join(s.serve(ctx, p), CloseAll(services))
}

// open opens the service, after a first attempt that failed. It returns when the service is open,
// after an error that is not awaited, or when ctx ends.
func (w *waiting) open(ctx context.Context, o Opening, err error) (Service, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.Multiplier, pauses.MaxInterval = firstPause, 2, longestPause
	first := err
	svc, err := backoff.Retry(ctx, func() (Service, error) {
		if err := first; err != nil {
			first = nil
			return nil, err
		}
		svc, err := o.Open(ctx)
		if err == nil || o.Awaits(err) != "" {
			return svc, err
		}
		return nil, backoff.Permanent(err)
	}, backoff.WithBackOff(pauses), backoff.WithMaxElapsedTime(0), backoff.WithNotify(w.report(ctx)))
	if err == nil {
		w.log.LogAttrs(ctx, slog.LevelInfo, "no longer waiting", slog.String("for", w.what))
	}
	return svc, err
}

// report returns a function that logs an error once, and again when it changes or after a while.
func (w *waiting) report(ctx context.Context) func(error, time.Duration) {
	var last string
	var logged time.Time
	return func(err error, pause time.Duration) {
		if err.Error() == last && time.Since(logged) < remind {
			return
		}
		last, logged = err.Error(), time.Now()
		w.log.LogAttrs(ctx, slog.LevelError, "waiting: the service cannot open",
			slog.String("for", w.what), slog.Any("cause", err), slog.Int64("retry_ms", pause.Milliseconds()))
	}
}
