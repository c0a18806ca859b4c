package cache

// This file applies the messages of the watch to the memory.

// An event reports that cached answers about a secret are outdated.
type event struct {
	secret   string
	sequence uint64
}

// resume returns the position after which a watch resumes, if there is one.
func (m *memory) resume() (position, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard, m.heard.epoch != ""
}

// begin handles the first message of a watch. For a watch that resumes, it repeats only the
// requested position; later events are not known yet.
func (m *memory) begin(resumed bool, at position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case at.epoch == "", resumed && (at.epoch != m.heard.epoch || at.sequence != m.heard.sequence):
		return errOutOfTurn
	case !resumed:
		m.drop()
		m.heard = at
		m.alive()
	case at.run != m.heard.run:
		m.rejoin(at)
	}
	return nil
}

// rejoin continues with another run of the vault, whose log is known to begin with the entries up to
// the last position of the watch. Values that were read after it may be missing there.
func (m *memory) rejoin(at position) {
	for _, ref := range m.kept.Keys() {
		if a, ok := m.kept.Peek(ref); ok && a.at.sequence > m.heard.sequence {
			m.kept.Remove(ref)
		}
	}
	m.heard = at
}

// hear handles a message of the watch: the events, and the position after them. A message without
// events is a heartbeat.
func (m *memory) hear(events []event, at position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.epoch != m.heard.epoch || at.run != m.heard.run || at.sequence < m.heard.sequence {
		return errOutOfTurn
	}
	for _, e := range events {
		if e.sequence < m.heard.sequence || e.sequence >= at.sequence {
			return errOutOfTurn
		}
		m.outdate(e)
	}
	if m.heard = at; len(events) == 0 {
		m.alive()
	}
	m.dropUnused()
	return nil
}

func (m *memory) alive() {
	m.beat = m.now()
	m.metrics.beat.Store(m.beat.UnixNano())
}

// outdate drops the answers that were read before an event about their secret.
func (m *memory) outdate(e event) {
	for ref := range m.about[e.secret] {
		if a, ok := m.kept.Peek(ref); ok && a.at.sequence <= e.sequence {
			m.kept.Remove(ref)
		}
	}
	m.ground(e.secret)
}

// reset drops everything, including the position, which no longer means anything.
func (m *memory) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
	m.heard = position{}
}

// drop drops all cached and pending answers.
func (m *memory) drop() {
	m.kept.Purge()
	for ref, f := range m.flights {
		f.least = never
		delete(m.flights, ref)
	}
}

// dropUnused drops values that have not been used for MaxStale.
func (m *memory) dropUnused() {
	now := m.now()
	for {
		ref, e, ok := m.kept.GetOldest()
		if !ok || now.Sub(e.used) < m.maxStale {
			return
		}
		m.kept.Remove(ref)
	}
}

// expire drops all cached answers if they are too old to be served, and reports whether there were
// any. It also drops unused values.
func (m *memory) expire() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stale(m.now()) {
		m.dropUnused()
		return false
	}
	dropped := m.kept.Len() > 0
	m.kept.Purge()
	return dropped
}
