package kektest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// The keys that [AWS] has.
const (
	AWSKey   = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000001"
	AWSOther = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000002"
)

// AWS starts AWS KMS, over plain HTTP. It accepts all signatures.
func AWS(t testing.TB) *Server {
	t.Helper()
	keys := map[string]key{AWSKey: newKey(t), AWSOther: newKey(t)}
	return newServer(t, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			KeyId                     string //nolint:revive // as the API names it
			Plaintext, CiphertextBlob string
			EncryptionContext         map[string]string
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		err := json.NewDecoder(r.Body).Decode(&req)
		k, known := keys[req.KeyId]
		if err != nil || !known || r.Header.Get("Authorization") == "" {
			respond(w, http.StatusBadRequest, map[string]any{"__type": "NotFoundException"})
			return
		}
		var pairs []string
		for name, value := range req.EncryptionContext {
			pairs = append(pairs, name+"="+value)
		}
		slices.Sort(pairs)
		bound := []byte(strings.Join(pairs, "\n"))
		if r.Header.Get("X-Amz-Target") == "TrentService.Encrypt" {
			sealed := k.seal(decode(req.Plaintext), bound)
			respond(w, http.StatusOK, map[string]any{"CiphertextBlob": base64.StdEncoding.EncodeToString(sealed), "KeyId": req.KeyId})
			return
		}
		text, err := k.open(decode(req.CiphertextBlob), bound)
		if err != nil {
			respond(w, http.StatusBadRequest, map[string]any{"__type": "InvalidCiphertextException"})
			return
		}
		respond(w, http.StatusOK, map[string]any{"Plaintext": base64.StdEncoding.EncodeToString(text), "KeyId": req.KeyId})
	}))
}
