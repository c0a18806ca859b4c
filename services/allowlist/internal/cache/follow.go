package cache

// This file is how the memory follows what the watch tells.

// An event says that what is kept of a secret is no longer right.
type event struct {
	secret   string
	sequence uint64
}

// resume returns the position behind which a watch is to begin, if there is one.
func (m *memory) resume() (position, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.heard, m.heard.epoch != ""
}

// begin takes the first message of a watch. That of one that resumes is only the
// position it has asked for; nothing is known yet of what came behind it.
func (m *memory) begin(resumed bool, at position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case at.epoch == "", resumed && at != m.heard:
		return errOutOfTurn
	case !resumed:
		m.drop()
		m.heard = at
		m.alive()
	}
	return nil
}

// hear takes what the watch tells: what changed, and the position behind it. Without
// events it is a heartbeat.
func (m *memory) hear(events []event, at position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at.epoch != m.heard.epoch || at.sequence < m.heard.sequence {
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

// outdate drops what was read before an event about its secret.
func (m *memory) outdate(e event) {
	for ref := range m.about[e.secret] {
		if a, ok := m.kept.Peek(ref); ok && a.at.sequence <= e.sequence {
			m.kept.Remove(ref)
		}
	}
	m.ground(e.secret)
}

// reset drops all, and the position: what was heard so far means nothing any more.
func (m *memory) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop()
	m.heard = position{}
}

// drop drops all that is kept or on its way.
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

// expire drops all that is kept if it is too old to be served, and reports whether
// there was something. It also drops unused values.
func (m *memory) expire() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.stale() {
		m.dropUnused()
		return false
	}
	dropped := m.kept.Len() > 0
	m.kept.Purge()
	return dropped
}
