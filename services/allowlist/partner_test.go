package allowlist_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist"
)

// partnerHost is the name of the partner's host. Only the partner's DNS knows it.
const partnerHost = "partner.localhost"

// A counterpart is the partner: a DNS server and an HTTPS server of its own, on the
// loopback interface.
type counterpart struct {
	port string // of the HTTPS server
	dns  string // address of the DNS server

	mu        sync.Mutex
	addresses [][]string // of the host, one answer after another, the last one for good
	texts     map[string][]string
	code      int // of each DNS answer; zero: what is true
	questions int
	calls     int
	answer    http.HandlerFunc // nil: 404
}

func newCounterpart(t testing.TB, k *kit) *counterpart {
	t.Helper()
	p := &counterpart{addresses: [][]string{{"127.0.0.1"}}, texts: make(map[string][]string)}
	p.serveDNS(t)
	cert, err := k.env.Authority.ServerCertificate(partnerHost, "127.0.0.1")
	must(t, err)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(p.serveHTTP))
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, p.port, err = net.SplitHostPort(srv.Listener.Addr().String())
	must(t, err)
	return p
}

func (p *counterpart) serveDNS(t testing.TB) {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	must(t, err)
	p.dns = conn.LocalAddr().String()
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(p.resolve), NotifyStartedFunc: func() { close(started) }}
	done := make(chan error, 1)
	go func() { done <- srv.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		must(t, srv.Shutdown())
		must(t, <-done)
	})
}

func (p *counterpart) resolve(w dns.ResponseWriter, q *dns.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.questions++
	m := new(dns.Msg).SetReply(q)
	name, kind := q.Question[0].Name, q.Question[0].Qtype
	header := dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET}
	switch {
	case p.code != 0:
		m.Rcode = p.code
	case name == partnerHost+".":
		for _, text := range p.addresses[0] {
			if ip := net.ParseIP(text); kind == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: header, A: ip})
			}
		}
		if kind == dns.TypeA && len(p.addresses) > 1 {
			p.addresses = p.addresses[1:]
		}
	case len(p.texts[name]) > 0:
		for _, text := range p.texts[name] {
			if kind == dns.TypeTXT {
				m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: []string{text}})
			}
		}
	default:
		m.Rcode = dns.RcodeNameError
	}
	_ = w.WriteMsg(m) // a client that has gone does not matter
}

func (p *counterpart) serveHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.calls++
	answer := p.answer
	p.mu.Unlock()
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

func (p *counterpart) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// asked returns how many questions and calls there were so far.
func (p *counterpart) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.questions + p.calls
}

// reached returns how many calls there were so far.
func (p *counterpart) reached() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func (p *counterpart) url(path string) string { return "https://" + partnerHost + ":" + p.port + path }

// publishText puts text into the DNS.
func (p *counterpart) publishText(name string, texts ...string) {
	p.set(func() { p.texts[name+"."] = texts })
}

// publish puts everything in place that a challenge asks for.
func (p *counterpart) publish(c *allowlistv1.Challenge) {
	p.publishText(c.GetDnsName(), "v=spf1 -all", c.GetDnsValue())
	p.serve(func(w http.ResponseWriter, r *http.Request) {
		nonce := r.URL.Query().Get("keyward-nonce")
		switch {
		case strings.HasSuffix(c.GetFileUrl(), r.URL.Path) && nonce == "":
			_, _ = io.WriteString(w, "\n"+c.GetFileContent()+"\r\n")
		case nonce != "":
			_, _ = io.WriteString(w, answerTo(nonce, c.GetWebToken()))
		default:
			http.NotFound(w, r)
		}
	})
}

// withdraw takes everything away.
func (p *counterpart) withdraw() {
	p.set(func() { p.texts, p.answer = make(map[string][]string), nil })
}

func (p *counterpart) serve(answer http.HandlerFunc) { p.set(func() { p.answer = answer }) }

// body serves the same body everywhere.
func (p *counterpart) body(text string) {
	p.serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// answerTo is what a partner's program computes, from the documentation.
func answerTo(nonce, token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	_, _ = io.WriteString(mac, nonce)
	return hex.EncodeToString(mac.Sum(nil))
}

// newPartnerKit is a kit with a partner that the allowlist may talk to.
func newPartnerKit(t testing.TB) (*kit, *counterpart) {
	t.Helper()
	return newGuardedKit(t, "127.0.0.0/8")
}

// newGuardedKit is a kit with a partner, whose DNS the allowlist asks, and some
// ranges that it may talk to.
func newGuardedKit(t testing.TB, ranges ...string) (k *kit, p *counterpart) {
	t.Helper()
	k = makeKit(t, 0, func(k *kit) {
		p = newCounterpart(t, k)
		k.config.Verification = allowlist.VerificationConfig{
			Resolvers: []string{p.dns}, AllowRanges: ranges, CAFile: k.env.TrustFile(),
		}
	})
	return k, p
}
