package payload_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/slowwork"
)

// card is a body of 1 KiB with three values to encrypt.
func card() string {
	body := `{"requestId":"r-20261122-000017","payer":{"name":"Jo Doe","pan":"4111111111111111"},"items":[{"sku":"A-1","qty":2,"price":12.50}],"cvv":"123","expiry":{"month":"04","year":"2029"},"note":"%s"}`
	return fmt.Sprintf(body, strings.Repeat("n", 1024-len(body)+2))
}

var cardPaths = []string{"payer.pan", "cvv", "expiry"}

// bareFields is the handwritten code for the same bytes: AES-GCM, gjson to find and sjson to
// replace.
func bareFields(aead cipher.AEAD, body []byte) ([]byte, error) {
	for _, path := range cardPaths {
		value := gjson.GetBytes(body, path).Raw
		nonce := make([]byte, 12, 12+len(value)+16)
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		var err error
		if body, err = sjson.SetBytes(body, path, base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, []byte(value), nil))); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func bareOpen(aead cipher.AEAD, body []byte) ([]byte, error) {
	for _, path := range cardPaths {
		raw, err := base64.StdEncoding.DecodeString(gjson.GetBytes(body, path).Str)
		if err != nil {
			return nil, err
		}
		value, err := aead.Open(nil, raw[:12], raw[12:], nil)
		if err != nil {
			return nil, err
		}
		if body, err = sjson.SetRawBytes(body, path, value); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func bareAEAD(b *testing.B) cipher.AEAD {
	b.Helper()
	block, err := aes.NewCipher(unhex(b, keyA))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	return aead
}

// BenchmarkFields reports the time of the engine, the time of handwritten code, and their ratio.
// The engine's time includes decoding the key and creating the cipher for each message.
func BenchmarkFields(b *testing.B) {
	p := pipeline(b, gcm+fields("", "$.payer.pan", "$.cvv", "$.expiry"))
	keys := resolve(p.EncryptReferences())
	aead := bareAEAD(b)
	plain := []byte(card())
	sealed := encrypt(b, p, card()).Body
	b.Run("encrypt", func(b *testing.B) {
		compare(b, func() error {
			_, err := encryptWith(p, now, rand.Reader, keys, plain)
			return err
		}, func() error {
			_, err := bareFields(aead, plain)
			return err
		})
	})
	b.Run("decrypt", func(b *testing.B) {
		compare(b, func() error {
			_, err := decryptWith(p, now, keys, sealed)
			return err
		}, func() error {
			_, err := bareOpen(aead, sealed)
			return err
		})
	})
}

// compare runs both alternately, so that both run under the same conditions.
func compare(b *testing.B, engine, bare func() error) {
	b.Helper()
	b.ReportAllocs()
	var ours, theirs time.Duration
	const turn = 100
	for b.Loop() {
		ours += timed(b, turn, engine)
		theirs += timed(b, turn, bare)
	}
	n := float64(b.N * turn)
	b.ReportMetric(float64(ours.Nanoseconds())/n, "engine-ns")
	b.ReportMetric(float64(theirs.Nanoseconds())/n, "bare-ns")
	b.ReportMetric(float64(theirs)/float64(ours), "speed-ratio")
}

func timed(b *testing.B, n int, f func() error) time.Duration {
	b.Helper()
	start := time.Now()
	for range n {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func BenchmarkEncrypt(b *testing.B) {
	profiles := map[string]string{"whole": gcm, "fields": gcm + fields("", "$.payer.pan", "$.cvv", "$.expiry"), "json": blobs(`json: '{"d":"${data}"}'`), "cbc": cbc}
	for name, profile := range profiles {
		p := pipeline(b, profile)
		keys := resolve(p.EncryptReferences())
		body := []byte(card())
		sealed := encrypt(b, p, card()).Body
		b.Run(name+"/encrypt", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := encryptWith(p, now, rand.Reader, keys, body); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/decrypt", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := decryptWith(p, now, keys, sealed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLarge shows that the memory consists of the output and one scratch buffer.
func BenchmarkLarge(b *testing.B) {
	body := []byte(`{"a":"` + strings.Repeat("0123456789abcdef", 1<<18) + `","b":1}`)
	for name, profile := range map[string]string{"whole": gcm, "fields": gcm + fields("", "$.a")} {
		p := pipeline(b, profile)
		keys := resolve(p.EncryptReferences())
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			var message payload.Output
			for b.Loop() {
				var err error
				if message, err = encryptWith(p, now, rand.Reader, keys, body); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(message.Body)), "output-B")
		})
	}
}

func queued(q *slowwork.Queue) func(context.Context) slowwork.Turn {
	return func(ctx context.Context) slowwork.Turn { return q.For(ctx, slowwork.Share{}) }
}

// BenchmarkLightBesideSlow reports how long a light message takes while 16 others derive their
// keys with 2,000,000 iterations, without turns and with them: the median, the 90th, and the 99th
// percentile.
func BenchmarkLightBesideSlow(b *testing.B) {
	for name, next := range map[string]func(context.Context) slowwork.Turn{
		"alone": nil, "without turns": func(context.Context) slowwork.Turn { return nil }, "with turns": queued(slowwork.NewQueue(slowwork.Places())),
	} {
		b.Run(name, func(b *testing.B) {
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			var all sync.WaitGroup
			s := newSafe(b)
			p := legacyPipeline(b, slowly(2_000_000))
			for range 16 {
				if next == nil {
					break
				}
				all.Go(func() {
					for ctx.Err() == nil {
						in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: s.keys(b, p.EncryptReferences()), Body: []byte("body"), Turn: next(ctx)}
						if _, err := p.Encrypt(in); err != nil && ctx.Err() == nil {
							b.Error(err)
						}
					}
				})
			}
			light := pipeline(b, gcm)
			keys, body := resolve(light.EncryptReferences()), []byte(card())
			// Start one each millisecond, like independent calls, even if the previous one is not done.
			took := make([]time.Duration, b.N)
			begun := time.Now()
			for i := range took {
				due := begun.Add(time.Duration(i) * time.Millisecond)
				time.Sleep(time.Until(due))
				all.Go(func() {
					if _, err := encryptWith(light, now, rand.Reader, keys, body); err != nil {
						b.Error(err)
					}
					took[i] = time.Since(due)
				})
			}
			stop()
			all.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
			b.ReportMetric(float64(took[len(took)*9/10].Microseconds()), "p90-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
