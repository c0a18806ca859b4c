package kektest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Token is the token that the transit engine accepts.
const Token = "hvs.fake-token-that-must-not-show" //nolint:gosec // of a fake

// Transit starts the transit engine of Vault, with the keys keyward, other, and unbound, which
// ignores associated data as servers without it do. A URI needs the parameters ca and token_file.
func Transit(t testing.TB) *Server {
	t.Helper()
	keys := map[string]key{"keyward": newKey(t), "other": newKey(t), "unbound": newKey(t)}
	return newServer(t, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Plaintext, Ciphertext string
			AssociatedData        string `json:"associated_data"`
		}
		operation, name, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/transit/"), "/")
		k, known := keys[name]
		switch {
		case r.Header.Get("X-Vault-Token") != Token:
			respond(w, http.StatusForbidden, map[string]any{"errors": []string{"permission denied"}})
			return
		case !ok || !known || json.NewDecoder(r.Body).Decode(&req) != nil:
			respond(w, http.StatusBadRequest, map[string]any{"errors": []string{"no handler for route"}})
			return
		}
		bound := decode(req.AssociatedData)
		if name == "unbound" {
			bound = nil
		}
		if operation == "encrypt" {
			sealed := "vault:v1:" + base64.StdEncoding.EncodeToString(k.seal(decode(req.Plaintext), bound))
			respond(w, http.StatusOK, map[string]any{"data": map[string]any{"ciphertext": sealed}})
			return
		}
		text, err := k.open(decode(strings.TrimPrefix(req.Ciphertext, "vault:v1:")), bound)
		if err != nil {
			respond(w, http.StatusBadRequest, map[string]any{"errors": []string{err.Error()}})
			return
		}
		respond(w, http.StatusOK, map[string]any{"data": map[string]any{"plaintext": base64.StdEncoding.EncodeToString(text)}})
	}))
}

func respond(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the test sees a broken response
}
