package secret_test

import (
	"errors"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// decay changes the stored bytes of a row while the vault is stopped.
func (s *stoppable) decay(t *testing.T, key []byte) {
	t.Helper()
	s.Close()
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(s.file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		rows := tx.Bucket([]byte("data"))
		stored := append([]byte(nil), rows.Get(key)...)
		stored[len(stored)-1] ^= 1
		return rows.Put(key, stored)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

// A list must neither leave out a secret nor hide which one it cannot read.
func TestAListNamesTheSecretThatItCannotRead(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	ids := []string{"key-1", "key-2", "key-3"}
	for _, id := range ids {
		s.create(t, id, "v")
	}
	good := s.stored(t, secret.SecretKey(name("key-2")))
	all := secret.Query{Workspace: "acme", Page: secret.Page{Limit: 10}}
	queries := map[string]func(*secret.Query){
		"by name":                    func(*secret.Query) {},
		"by name, descending":        func(q *secret.Query) { q.Descending = true },
		"by update time":             func(q *secret.Query) { q.ByUpdate = true },
		"by update time, descending": func(q *secret.Query) { q.ByUpdate, q.Descending = true, true },
		"a search":                   func(q *secret.Query) { q.Substring = "key" },
		"a filter":                   func(q *secret.Query) { q.Usage = secret.Parameter },
	}
	fails := func(t *testing.T, what string, query func(*secret.Query), reason string) {
		t.Helper()
		q := all
		query(&q)
		page, next, err := s.List(t.Context(), q)
		if err == nil || !strings.Contains(err.Error(), "workspaces/acme/secrets/key-2: ") || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: List = %d secrets, %t, %v, want an error that names key-2 and says %q", what, len(page), next != nil, err, reason)
		}
	}

	s.decay(t, secret.SecretKey(name("key-2")))
	for what, query := range queries {
		fails(t, what, query, kv.ErrCorrupt.Error())
	}
	if alarms := s.alarms(); alarms < len(queries) || strings.Contains(s.heard.String(), "key-2") {
		t.Errorf("%d alarms with %q, want %d without names", alarms, s.heard, len(queries))
	}
	s.edit(t, map[string][]byte{string(secret.SecretKey(name("key-2"))): []byte("\xff")})
	for what, query := range queries {
		fails(t, what, query, "malformed record")
	}
	s.edit(t, map[string][]byte{string(secret.SecretKey(name("key-2"))): good})
	for what, query := range queries {
		q := all
		query(&q)
		if page, _, err := s.List(t.Context(), q); err != nil || len(page) != len(ids) && q.Usage == "" {
			t.Errorf("%s after the repair: List = %d secrets, %v", what, len(page), err)
		}
	}
	if page, _, err := s.List(t.Context(), secret.Query{Workspace: "acme", Page: secret.Page{Limit: 1}}); err != nil || len(page) != 1 {
		t.Errorf("a page = %d secrets, %v", len(page), err)
	}
}
