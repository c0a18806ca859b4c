#!/usr/bin/env bash
# Registers the example partner with the Keyward that `make run` started: stores the two
# keys that the partner shares with us, creates the endpoint, and activates it. Run it once,
# from the root of the repository. Needs curl and openssl.
set -euo pipefail
access=${KEYWARD_ACCESS:-.keyward/access}
keys=${PARTNER_KEYS:-.keyward/example-partner}
api=${KEYWARD_JSON:-https://127.0.0.1:8443}/v1/workspaces/demo

# as calls the API as one of the people whose tokens `make run` keeps.
as() {
	local who=$1
	shift
	curl -sS --fail-with-body --cacert "$access/ca.pem" -H "Authorization: Bearer $(cat "$access/$who.token")" --json "$@" >/dev/null
}

# The partner's copy of the keys. A real partner sends its keys to you.
umask 077
mkdir -p "$keys"
for name in payload signing; do
	openssl rand -hex 32 >"$keys/$name.key"
	printf '{"value": {"text": "%s"}}' "$(cat "$keys/$name.key")" | as owner @- "$api/secrets?secretId=example-partner-$name"
done

as owner '{
  "url": "https://api.example-partner.test/v1/payments",
  "methods": ["POST"],
  "encryption": {"request": {
    "cipher": {"algorithm": "ALGORITHM_AES_256_GCM", "sharedKey": {"keys": [
      {"name": "workspaces/demo/secrets/example-partner-payload", "decoding": "DECODING_HEX"}]}},
    "envelope": {"json": "{\"encryptedData\":\"${data}\"}"},
    "signing": {
      "mac": {"algorithm": "ALGORITHM_HMAC_SHA256"},
      "keys": [{"name": "workspaces/demo/secrets/example-partner-signing", "decoding": "DECODING_HEX"}],
      "input": "${timestamp}.${body}",
      "headers": {"X-Timestamp": "${timestamp}", "X-Signature": "sha256=${signature}"}}}}}' \
	"$api/endpoints?endpointId=example-partner"
as admin '{}' "$api/endpoints/example-partner:approve"
as owner '{}' "$api/endpoints/example-partner:activate"
echo "The endpoint workspaces/demo/endpoints/example-partner is active."
