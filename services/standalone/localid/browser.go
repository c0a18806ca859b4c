package localid

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// maxBody is the maximum number of bytes that are read of a request's body.
const maxBody = 16 << 10

// showTicket remembers the browser that presents a ticket. It accepts only JSON, which a page of
// another origin cannot send.
func (s *SignIn) showTicket(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Ticket string `json:"ticket"`
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" ||
		json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body) != nil {
		refuse(w, "invalid_request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	person, ok := s.tickets.take(body.Ticket, s.now())
	if !ok {
		refuse(w, "invalid_ticket")
		return
	}
	known := &browser{person: person, until: s.now().Add(browserLifetime)}
	s.setCookie(w, s.browsers.put(known, s.now(), browserLifetime), 0)
	w.WriteHeader(http.StatusNoContent)
}

// setCookie sets the cookie, which ends with the browser's session. A negative age removes it.
func (s *SignIn) setCookie(w http.ResponseWriter, value string, age int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie, Value: value, Path: "/", MaxAge: age,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}

// browserOf returns the browser that sent a request, or nil. The caller must hold the lock.
func (s *SignIn) browserOf(r *http.Request) *browser {
	for _, cookie := range r.CookiesNamed(s.cookie) {
		if b, ok := s.browsers.get(cookie.Value, s.now()); ok && b.known(s.now()) {
			return b
		}
	}
	return nil
}

func (b *browser) known(now time.Time) bool { return !b.gone && now.Before(b.until) }

// signOut forgets the browser and revokes all of its grants. A page of another site cannot cause
// this, because the browser would not send the cookie.
func (s *SignIn) signOut(w http.ResponseWriter, r *http.Request) {
	params, ok := query(r)
	if !ok || params["client_id"] != s.config.ClientID || params["post_logout_redirect_uri"] != s.config.AfterSignOut {
		refuse(w, "invalid_request")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.browserOf(r); b != nil {
		b.gone = true
	}
	s.setCookie(w, "", -1)
	target := s.config.AfterSignOut
	if state := params["state"]; state != "" {
		target += "?" + url.Values{"state": {state}}.Encode()
	}
	http.Redirect(w, r, target, http.StatusFound)
}
