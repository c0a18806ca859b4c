package signature

import (
	"time"
)

// timeInRange reports whether the time can be written in all forms.
func (m *Message) timeInRange() bool {
	at := m.Time.UTC()
	return at.Unix() >= 0 && at.Year() <= maxYear
}

// time returns the time that a message carries, or the zero time if it carries none. It fails if a
// time is invalid or outside the tolerance, or if two times differ. Times without seconds, such as a
// date, are compared with the others.
func (s *Signer) time(texts carried, now time.Time) (sent time.Time, err error) {
	at := func(i int, name string, parse func(text string) (time.Time, bool)) error {
		found, ok := parse(string(texts[i]))
		if off := now.Sub(found); ok && found.Unix() >= 0 && off.Abs() > s.tolerance {
			return outside(i, off, s.tolerance) // also of a time in another unit, which is years off
		}
		if !ok || found.Unix() < 0 || found.Year() > maxYear {
			return invalid("The value of ${%s} in the message is not a valid time.", name)
		}
		if !sent.IsZero() && found.Unix() != sent.Unix() {
			return invalid("The message has two different times.")
		}
		if sent.IsZero() || i == timestampMS {
			sent = found
		}
		return nil
	}
	for i, name := range carriedNames()[:id] {
		if texts[i] == nil {
			continue
		}
		if err := at(i, name, func(text string) (time.Time, bool) { return parseTime(i, text) }); err != nil {
			return time.Time{}, err
		}
	}
	for pass := range 2 {
		for i, v := range s.texts.Values {
			layout, ok := v.time()
			text := texts[carriedCount+i]
			if !ok || text == nil || layout.Later > 0 || layout.Fine != (pass == 0) {
				continue
			}
			if layout.Fine {
				err = at(carriedCount+i, v.Name, func(text string) (time.Time, bool) { return layout.Parse([]byte(text)) })
			} else if string(layout.Append(nil, sent)) != string(text) {
				err = invalid("The message has two different times.")
			}
			if err != nil {
				return time.Time{}, err
			}
		}
	}
	return sent, s.expiries(texts, now, sent)
}

// expiries checks the times at which a message expires. The sender chooses how long it is valid.
func (s *Signer) expiries(texts carried, now, sent time.Time) error {
	for i, v := range s.texts.Values {
		layout, ok := v.time()
		text := texts[carriedCount+i]
		if !ok || text == nil || layout.Later == 0 {
			continue
		}
		until, ok := layout.Parse(text)
		switch {
		case !ok || until.Unix() < 0 || until.Year() > maxYear:
			return invalid("The value of ${%s} in the message is not a valid time.", v.Name)
		case until.Before(now):
			return invalid("The message expired %v ago.", now.Sub(until).Round(time.Second))
		case until.Before(sent):
			return invalid("The message expires before its own time.")
		}
	}
	return nil
}
