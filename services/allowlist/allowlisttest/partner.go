package allowlisttest

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

// PartnerHost is the name of the partner's host. Only the partner's DNS server knows it.
const PartnerHost = "partner.localhost"

// A Counterpart is the partner: a DNS server and an HTTPS server on the loopback interface.
type Counterpart struct {
	Port string // of the HTTPS server
	dns  string // address of the DNS server

	mu        sync.Mutex
	Addresses [][]string // of the host, one for each answer; the last one repeats
	texts     map[string][]string
	Code      int // of each DNS answer; zero: the true one
	questions int
	calls     int
	answer    http.HandlerFunc // nil: 404
}

func newCounterpart(t testing.TB, k *Kit) *Counterpart {
	t.Helper()
	p := &Counterpart{Addresses: [][]string{{"127.0.0.1"}}, texts: make(map[string][]string)}
	p.serveDNS(t)
	cert, err := k.Env.Authority.ServerCertificate(PartnerHost, "127.0.0.1")
	Must(t, err)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(p.serveHTTP))
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, p.Port, err = net.SplitHostPort(srv.Listener.Addr().String())
	Must(t, err)
	return p
}

func (p *Counterpart) serveDNS(t testing.TB) {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	Must(t, err)
	p.dns = conn.LocalAddr().String()
	started := make(chan struct{})
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(p.resolve), NotifyStartedFunc: func() { close(started) }}
	done := make(chan error, 1)
	go func() { done <- srv.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		Must(t, srv.Shutdown())
		Must(t, <-done)
	})
}

func (p *Counterpart) resolve(w dns.ResponseWriter, q *dns.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.questions++
	m := new(dns.Msg).SetReply(q)
	name, kind := q.Question[0].Name, q.Question[0].Qtype
	header := dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET}
	switch {
	case p.Code != 0:
		m.Rcode = p.Code
	case name == PartnerHost+".":
		for _, text := range p.Addresses[0] {
			if ip := net.ParseIP(text); kind == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: header, A: ip})
			}
		}
		if kind == dns.TypeA && len(p.Addresses) > 1 {
			p.Addresses = p.Addresses[1:]
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
	_ = w.WriteMsg(m) // the client may have disconnected
}

func (p *Counterpart) serveHTTP(w http.ResponseWriter, r *http.Request) {
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

// Set applies a change between two answers of the partner.
func (p *Counterpart) Set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// Asked returns the number of DNS queries and HTTPS requests so far.
func (p *Counterpart) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.questions + p.calls
}

// Reached returns the number of HTTPS requests so far.
func (p *Counterpart) Reached() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

// URL is the URL of a path at the partner.
func (p *Counterpart) URL(path string) string { return "https://" + PartnerHost + ":" + p.Port + path }

// PublishText adds a TXT record to the DNS.
func (p *Counterpart) PublishText(name string, texts ...string) {
	p.Set(func() { p.texts[name+"."] = texts })
}

// Publish publishes the proofs that a challenge requires.
func (p *Counterpart) Publish(c *allowlistv1.Challenge) {
	p.PublishText(c.GetDnsName(), "v=spf1 -all", c.GetDnsValue())
	p.Serve(func(w http.ResponseWriter, r *http.Request) {
		nonce := r.URL.Query().Get("keyward-nonce")
		switch {
		case strings.HasSuffix(c.GetFileUrl(), r.URL.Path) && nonce == "":
			_, _ = io.WriteString(w, "\n"+c.GetFileContent()+"\r\n")
		case nonce != "":
			_, _ = io.WriteString(w, AnswerTo(nonce, c.GetWebToken()))
		default:
			http.NotFound(w, r)
		}
	})
}

// Withdraw removes all proofs.
func (p *Counterpart) Withdraw() {
	p.Set(func() { p.texts, p.answer = make(map[string][]string), nil })
}

// Serve makes a function answer the requests for the proof.
func (p *Counterpart) Serve(answer http.HandlerFunc) { p.Set(func() { p.answer = answer }) }

// Body serves the same body everywhere.
func (p *Counterpart) Body(text string) {
	p.Serve(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// AnswerTo is the answer that a partner's program computes according to the documentation.
func AnswerTo(nonce, token string) string {
	mac := hmac.New(sha256.New, []byte(token))
	_, _ = io.WriteString(mac, nonce)
	return hex.EncodeToString(mac.Sum(nil))
}

// NewPartnerKit starts a kit with a partner that the allowlist may connect to.
func NewPartnerKit(t testing.TB) (*Kit, *Counterpart) {
	t.Helper()
	return NewGuardedKit(t, "127.0.0.0/8")
}

// NewGuardedKit starts a kit with a partner, whose DNS server the allowlist uses, and ranges that
// it may connect to.
func NewGuardedKit(t testing.TB, ranges ...string) (k *Kit, p *Counterpart) {
	t.Helper()
	k = Make(t, 0, func(k *Kit) {
		p = newCounterpart(t, k)
		k.Config.Verification = allowlist.VerificationConfig{
			Resolvers: []string{p.dns}, AllowRanges: ranges, CAFile: k.Env.TrustFile(),
		}
	})
	return k, p
}
