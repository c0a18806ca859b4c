// Command partner stands for a partner to try the example services against. It takes
// payments and sends an event for each, as a bank would: with keys of its own and without
// Keyward. See examples/README.md.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tolerance is how old a signed message may be.
const tolerance = 5 * time.Minute

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "address to take payments on")
	keys := flag.String("keys", ".keyward/example-partner", "folder with payload.key and signing.key")
	webhook := flag.String("webhook", "http://127.0.0.1:8091/webhook", "where to send events")
	flag.Parse()
	if err := run(*listen, *keys, *webhook); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(listen, keys, webhook string) error {
	payload, err := readKey(filepath.Join(keys, "payload.key"))
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(payload)
	if err != nil {
		return err
	}
	p := partner{webhook: webhook}
	if p.aead, err = cipher.NewGCM(block); err != nil {
		return err
	}
	if p.signing, err = readKey(filepath.Join(keys, "signing.key")); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/payments", p.pay)
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	say("partner: http://%s/v1/payments", listener.Addr())
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	return server.Serve(listener)
}

func readKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return hex.DecodeString(strings.TrimSpace(string(text)))
}

type partner struct {
	aead    cipher.AEAD
	signing []byte
	webhook string
}

type envelope struct {
	Data []byte `json:"encryptedData"`
}

// pay accepts a payment, and sends an event about it.
func (p partner) pay(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable body", http.StatusBadRequest)
		return
	}
	if err := p.verify(r.Header, body); err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	payment, err := p.open(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	say("payment: %s", payment)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(p.seal(`{"status":"accepted"}`))
	go p.notify(`{"event":"payment.settled"}`)
}

// notify sends an event, and reports what came back.
func (p partner) notify(event string) {
	body := p.seal(event)
	req, err := http.NewRequest(http.MethodPost, p.webhook, bytes.NewReader(body))
	if err != nil {
		say("webhook: %v", err)
		return
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Timestamp", now)
	req.Header.Set("X-Signature", "sha256="+hex.EncodeToString(p.sign(now, body)))
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		say("webhook: %v", err)
		return
	}
	_ = res.Body.Close()
	say("webhook: %s", res.Status)
}

// seal encrypts a body under a random IV, which comes before the ciphertext.
func (p partner) seal(body string) []byte {
	iv := make([]byte, p.aead.NonceSize())
	_, _ = rand.Read(iv) // never fails
	sealed, _ := json.Marshal(envelope{p.aead.Seal(iv, iv, []byte(body), nil)})
	return sealed
}

func (p partner) open(body []byte) ([]byte, error) {
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil || len(e.Data) < p.aead.NonceSize() {
		return nil, errors.New("want {\"encryptedData\": …}")
	}
	return p.aead.Open(nil, e.Data[:p.aead.NonceSize()], e.Data[p.aead.NonceSize():], nil)
}

func (p partner) sign(timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, p.signing)
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

func (p partner) verify(header http.Header, body []byte) error {
	timestamp := header.Get("X-Timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > tolerance {
		return errors.New("stale or missing timestamp")
	}
	got, err := hex.DecodeString(strings.TrimPrefix(header.Get("X-Signature"), "sha256="))
	if err != nil || !hmac.Equal(got, p.sign(timestamp, body)) {
		return errors.New("invalid signature")
	}
	return nil
}

// say prints a line.
func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) }
