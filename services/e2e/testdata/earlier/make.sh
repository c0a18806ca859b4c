#!/usr/bin/env bash
# Writes data in the first stored form: make.sh PROGRAM FOLDER
#
# PROGRAM is `standalone` of a release that writes the first stored form (any before the command
# `vault upgrade` existed). The script writes all kinds of data through its API, stops it, and leaves
# in FOLDER the data files, the keys, and the responses of the API (responses.json). The keys are for
# tests only. It needs curl and jq.
set -euo pipefail
program=$1 out=$(realpath -m "$2")
home=$(mktemp -d)
mkfifo "$home/in"
"$program" --dir "$home/site" --grpc 127.0.0.1:0 --json 127.0.0.1:0 --metrics '' <"$home/in" >"$home/out" &
pid=$!
exec 3>"$home/in"
trap 'kill $pid 2>/dev/null || true; rm -rf "$home"' EXIT
until grep -q 'Keyward is ready' "$home/out"; do sleep 0.1; done
api=$(awk '/JSON/{print $2; exit}' "$home/out")/v1
access=$home/site/access
demo=$api/workspaces/demo

call() { # WHO METHOD URL [BODY]: prints the response, and fails unless it is a success
	local who=$1 method=$2 url=$3 body=${4:-}
	if ! curl -sS --fail-with-body --cacert "$access/ca.pem" -H "Authorization: Bearer $(cat "$access/$who.token")" \
		-X "$method" ${body:+--json "$body"} "$url" >"$home/response"; then
		echo "$method $url: $(cat "$home/response")" >&2
		return 1
	fi
	cat "$home/response"
}
secret() { call owner POST "$demo/secrets?secretId=$1" "$2" >/dev/null; }
change() { call owner PATCH "$demo/secrets/$1" "$2" >/dev/null; }
version() { call owner POST "$demo/secrets/$1/versions/$2:$3" '{}' >/dev/null; }
endpoint() {
	call owner POST "$demo/endpoints?endpointId=$1" "$2" >/dev/null
	call admin POST "$demo/endpoints/$1:approve" '{}' >/dev/null
}
on() { call owner POST "$demo/endpoints/$1:activate" '{}' >/dev/null; }
send() { # ENDPOINT BODY: encrypts a message
	call sender POST "$demo/endpoints/$1:encrypt" "{\"body\":\"$(printf %s "$2" | base64)\"}"
}

# Secrets of each usage, with versions in each state.
secret aes '{"description":"the cipher key","labels":{"team":"payments","stage":"test"},"rotationPeriod":"7776000s","value":{"text":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}}'
for digit in 1 2 3 4 5; do
	change aes "{\"value\":{\"text\":\"${digit}00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\"}}"
done
version aes 2 disable
version aes 3 destroy
version aes 4 restore
change aes '{"description":"the cipher key of payments"}'
secret mac '{"value":{"text":"a MAC key of at least sixteen bytes"}}'
secret shared '{"shared":true,"value":{"text":"202122232425262728292a2b2c2d2e2f202122232425262728292a2b2c2d2e2f"}}'
secret salt '{"usage":"USAGE_PARAMETER","value":{"text":"a salt"}}'
secret token '{"usage":"USAGE_CREDENTIAL","allowedHosts":["api.partner.example","api.partner.example:8443"],"value":{"text":"Bearer the first token"}}'
change token '{"allowedHosts":["api.partner.example","api.partner.example:8443","b.partner.example"],"value":{"text":"Bearer the second token"}}'
secret api-key '{"usage":"USAGE_CREDENTIAL","allowedHosts":["b.partner.example"],"value":{"text":"a credential of host b"}}'
call admin POST "$demo/secrets?secretId=exposed&reason=a+test" '{"usage":"USAGE_EXPOSED_KEY","value":{"text":"an exposed key of some length"}}' >/dev/null
secret weak '{"value":{"text":"0102","weakReason":"the partner has no other"}}'
for kind in AES_256 HMAC_SHA256 PASSWORD RSA_2048 EC_P256 ED25519 X25519; do
	secret "$(tr 'A-Z_' 'a-z-' <<<"$kind")" "{\"value\":{\"generate\":{\"kind\":\"KIND_$kind\"}}}"
done
secret partner-public "$(call owner GET "$demo/secrets/rsa-2048" | jq '{value: {text: .publicKey.pem}}')"
secret twin '{"value":{"text":"a MAC key of at least sixteen bytes"}}'
secret disabled '{"value":{"generate":{"kind":"KIND_AES_128"}}}'
version disabled 1 disable
secret gone '{"value":{"text":"the value of a deleted secret"}}'
call owner DELETE "$demo/secrets/gone" >/dev/null
secret again '{"value":{"text":"the value of the first incarnation"}}'
change again '{"value":{"text":"another value of the first incarnation"}}'
call owner DELETE "$demo/secrets/again" >/dev/null
secret again '{"description":"created again","value":{"text":"the value of the second incarnation"}}'
for number in $(seq 1 40); do
	secret "many-$number" "{\"labels\":{\"n\":\"$number\"},\"value\":{\"generate\":{\"kind\":\"KIND_AES_256\"}}}"
done
call admin POST "$api/workspaces/other/secrets?secretId=aes" '{"value":{"generate":{"kind":"KIND_AES_256"}}}' >/dev/null
call admin PATCH "$api/workspaces/other/sealing?reason=a+test" '{"required":true}' >/dev/null

# Endpoints with several profiles.
key() { echo "{\"name\":\"workspaces/demo/secrets/$1\"}"; }
gcm() { echo "{\"algorithm\":\"ALGORITHM_AES_256_GCM\",\"sharedKey\":{\"keys\":[{\"name\":\"workspaces/demo/secrets/$1\",\"decoding\":\"DECODING_HEX\"${2:+,\"version\":$2}}]}}"; }
endpoint payments "{\"url\":\"https://api.partner.example/v1/payments\",\"methods\":[\"POST\"],\"displayName\":\"Payments\",\"labels\":{\"team\":\"payments\"},
	\"headers\":[{\"name\":\"Authorization\",\"secret\":$(key token)}],
	\"encryption\":{\"request\":{\"cipher\":$(gcm aes),\"envelope\":{\"json\":\"{\\\"encryptedData\\\":\\\"\${data}\\\"}\"},
	\"signing\":{\"mac\":{\"algorithm\":\"ALGORITHM_HMAC_SHA256\"},\"keys\":[$(key mac)],\"headers\":{\"X-Signature\":\"sha256=\${signature}\"}}}}}"
endpoint shared-one "{\"url\":\"https://api.partner.example/v1/one\",\"methods\":[\"POST\"],\"encryption\":{\"request\":{\"cipher\":$(gcm shared 1)}}}"
endpoint shared-two "{\"url\":\"https://api.partner.example:8443/v1/two\",\"methods\":[\"POST\"],\"headers\":[{\"name\":\"Authorization\",\"secret\":$(key token)}],\"encryption\":{\"request\":{\"cipher\":$(gcm shared 1)}}}"
endpoint credential "{\"url\":\"https://b.partner.example/\",\"methods\":[\"GET\",\"POST\"],\"headers\":[{\"name\":\"X-Api-Key\",\"secret\":$(key api-key)}],\"bodyValues\":[{\"path\":\"$.token\",\"secret\":$(key api-key)}]}"
endpoint deleted "{\"url\":\"https://deleted.partner.example/\",\"methods\":[\"POST\"],\"encryption\":{\"request\":{\"cipher\":$(gcm shared 1)}}}"
endpoint plain '{"url":"https://plain.partner.example/v1","methods":["GET"],"description":"nothing is encrypted"}'
for name in payments shared-one shared-two credential plain; do on "$name"; done
call owner POST "$demo/endpoints/shared-two:deactivate" '{}' >/dev/null
call owner DELETE "$demo/endpoints/deleted" >/dev/null
call owner PATCH "$demo/endpoints/payments" '{"description":"the second revision"}' >/dev/null

# Messages, which count nonces and uses.
for number in 1 2 3; do send payments "{\"amount\":$number}" >/dev/null; done
send shared-one '{"one":true}' >/dev/null

# A stopped program has reported all uses and reservations.
kill -TERM $pid
wait $pid || true
exec 3>&-
mkdir -p "$home/kept" && cp "$home"/site/data/*.db "$home/kept" # before the program reads its data again
: >"$home/out"
"$program" --dir "$home/site" --grpc 127.0.0.1:0 --json 127.0.0.1:0 --metrics '' <"$home/in" >"$home/out" &
pid=$!
exec 3>"$home/in"
until grep -q 'Keyward is ready' "$home/out"; do sleep 0.1; done
api=$(awk '/JSON/{print $2; exit}' "$home/out")/v1

# The responses that an upgrade must not change.
{
	for workspace in demo other; do
		for list in secrets endpoints; do
			[ "$workspace $list" = "other endpoints" ] && continue
			path=/workspaces/$workspace/$list
			call admin GET "$api$path?pageSize=1000" | jq --arg path "$path?pageSize=1000" '{($path): .}'
			for name in $(call admin GET "$api$path?pageSize=1000" | jq -r ".$list[].name"); do
				parts="/history?pageSize=1000"
				[ $list = secrets ] && parts="$parts /versions?pageSize=1000 /bindings?pageSize=1000"
				call admin GET "$api/$name" | jq --arg path "/$name" '{($path): .}'
				for part in $parts; do call admin GET "$api/$name$part" | jq --arg path "/$name$part" '{($path): .}'; done
			done
		done
		call admin GET "$api/workspaces/$workspace/sealing" | jq --arg path "/workspaces/$workspace/sealing" '{($path): .}'
	done
	for name in gone again; do call admin GET "$api/workspaces/demo/secrets/$name/history" | jq --arg path "/workspaces/demo/secrets/$name/history" '{($path): .}'; done
} | jq -s add >"$home/responses.json"
kill -TERM $pid
wait $pid || true

mkdir -p "$out"
for service in vault allowlist; do
	gzip -9nc "$home/kept/$service.db" >"$out/$service.db.gz"
	cp "$home/site/keys/$service.kek" "$out/"
done
gzip -9nc "$home/responses.json" >"$out/responses.json.gz"
