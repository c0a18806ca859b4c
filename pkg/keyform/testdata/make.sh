#!/bin/sh
# Makes the files in this folder with the tools that people have: OpenSSL 3, OpenSSH 9, the
# keytool of Java 17, Node.js 20 and GnuPG 2. The keys in them protect nothing. Passwords are
# "password". Run it in this folder; then the tests still pass, as they compare keys with each
# other.
set -eu
rm -f -- *.pem *.der *.p12 *.jks *.txt *.json *.asc *.gpg *.pub *.p7b

# One RSA key in many forms.
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem
openssl rsa -in rsa.pem -traditional -out rsa-pkcs1.pem
openssl pkey -in rsa.pem -pubout -out rsa-public.pem
openssl rsa -in rsa.pem -RSAPublicKey_out -out rsa-public-pkcs1.pem
openssl req -new -x509 -key rsa.pem -subj /CN=partner -days 36500 -out rsa-certificate.pem
openssl x509 -in rsa-certificate.pem -trustout -addtrust clientAuth -out rsa-trusted.pem
openssl rsa -in rsa.pem -traditional -outform DER -out rsa-pkcs1.der
openssl pkcs8 -topk8 -nocrypt -in rsa.pem -outform DER -out rsa.der
openssl x509 -in rsa-certificate.pem -outform DER -out rsa-certificate.der
openssl pkcs12 -export -inkey rsa.pem -in rsa-certificate.pem -passout pass:password -out rsa.p12
openssl pkcs12 -export -legacy -inkey rsa.pem -in rsa-certificate.pem -passout pass:password -out rsa-legacy.p12
openssl pkcs12 -export -certpbe NONE -inkey rsa.pem -in rsa-certificate.pem -passout pass:password -out rsa-clear-certificate.p12
openssl pkcs12 -export -inkey rsa.pem -in rsa-certificate.pem -passout pass: -out rsa-no-password.p12
openssl pkcs12 -in rsa.p12 -passin pass:password -nodes -out rsa-bag.pem
keytool -importkeystore -srckeystore rsa.p12 -srcstorepass password -destkeystore rsa-java.p12 -deststoretype PKCS12 -deststorepass password
keytool -importkeystore -srckeystore rsa.p12 -srcstorepass password -destkeystore rsa.jks -deststoretype JKS -deststorepass password
keytool -importkeystore -srckeystore rsa.p12 -srcstorepass password -destkeystore rsa-jce.jks -deststoretype JCEKS -deststorepass password
cp rsa.pem rsa-openssh.pem && chmod 600 rsa-openssh.pem && ssh-keygen -q -p -N "" -f rsa-openssh.pem
ssh-keygen -y -f rsa.pem > rsa-openssh.pub 2>/dev/null || (chmod 600 rsa.pem && ssh-keygen -y -f rsa.pem > rsa-openssh.pub)
ssh-keygen -e -f rsa-openssh.pub > rsa-ssh2.pub
openssl enc -base64 -in rsa.der -out rsa-base64.txt
openssl enc -base64 -A -in rsa.p12 -out rsa-p12-base64.txt
xxd -p rsa.der > rsa-hex.txt
xxd -p -c 2000 rsa.der | sed 's/../&:/g; s/:$//' > rsa-hex-colons.txt
tr '\n' ' ' < rsa.pem > rsa-one-line.txt
awk 1 ORS='\\n' rsa.pem > rsa-escaped.txt
sed 's/^/    /' rsa.pem > rsa-indented.txt
sed 's/$/\r/' rsa.pem > rsa-crlf.txt
tr '\n' '\r' < rsa.pem > rsa-cr.txt
grep -v END rsa.pem > rsa-no-end.txt
tr -d '\n' < rsa.pem > rsa-joined.txt
(printf '\357\273\277'; cat rsa.pem) > rsa-bom.txt
iconv -t UTF-16LE rsa.pem > rsa-utf16le.txt
iconv -t UTF-16BE rsa.pem > rsa-utf16be.txt
iconv -t UTF-16 rsa.pem > rsa-utf16-bom.txt
node -e 'process.stdout.write(JSON.stringify({ type: "service_account", private_key: require("fs").readFileSync("rsa.pem", "utf8"), client_email: "partner@example.com" }))' > rsa-service-account.json
(printf '\n\n\n'; cat rsa.pem) > rsa-blank-lines.txt
node -e 'process.stdout.write(JSON.stringify(require("fs").readFileSync("rsa.pem", "utf8")))' > rsa-quoted.txt
sed 's/BEGIN PRIVATE/BEGIN RSA PRIVATE/; s/END PRIVATE/END RSA PRIVATE/' rsa.pem > rsa-pkcs8-as-pkcs1.txt
sed 's/RSA PRIVATE/PRIVATE/' rsa-pkcs1.pem > rsa-pkcs1-as-pkcs8.txt
tr -- '+/' '-_' < rsa-base64.txt | tr -d '=\n' > rsa-base64url.txt
head -c 1200 rsa.pem > rsa-cut.txt
sed '5s/./*/' rsa.pem > rsa-damaged.txt
openssl pkcs8 -topk8 -in rsa.pem -passout pass:password -out rsa-encrypted.pem
openssl pkcs8 -topk8 -in rsa.pem -passout pass:password -outform DER -out rsa-encrypted.der
openssl rsa -in rsa.pem -traditional -aes128 -passout pass:password -out rsa-encrypted-old.pem
tr '\n' ' ' < rsa-encrypted-old.pem > rsa-encrypted-old-one-line.txt
cp rsa.pem rsa-openssh-encrypted.pem && chmod 600 rsa-openssh-encrypted.pem && ssh-keygen -q -p -N password -f rsa-openssh-encrypted.pem
openssl req -new -key rsa.pem -subj /CN=partner -out rsa-request.pem
openssl crl2pkcs7 -nocrl -certfile rsa-certificate.pem -out rsa-certificates.p7b

# Other kinds.
openssl ecparam -name prime256v1 -genkey -out ec-sec1.pem
openssl pkcs8 -topk8 -nocrypt -in ec-sec1.pem -out ec.pem
tr '\n' ' ' < ec-sec1.pem > ec-sec1-one-line.txt
sed '/PARAMETERS/,/PARAMETERS/d; s/EC PRIVATE/PRIVATE/' ec-sec1.pem > ec-sec1-as-pkcs8.txt
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.pem
openssl pkey -in p521.pem -pubout -out p521-public.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-224 -out p224.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out secp256k1.pem
openssl ec -in secp256k1.pem -out secp256k1-sec1.pem
openssl req -new -x509 -key secp256k1.pem -subj /CN=partner -days 36500 -out secp256k1-certificate.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256r1 -out brainpool.pem
for kind in ed25519 x25519 ed448 x448; do
	openssl genpkey -algorithm "$kind" -out "$kind.pem"
done
openssl req -new -x509 -key ed448.pem -subj /CN=partner -days 36500 -out ed448-certificate.pem
openssl dsaparam -genkey -out dsa.pem 2048
openssl pkcs8 -topk8 -nocrypt -in dsa.pem -out dsa-pkcs8.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:512 -out rsa512.pem
openssl genpkey -quiet -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -out rsa-pss.pem
cat rsa.pem ec.pem > several.pem
ssh-keygen -q -t ed25519 -N "" -C partner -f ssh-ed25519.pem && mv ssh-ed25519.pem.pub ssh-ed25519.pub
ssh-keygen -q -t ecdsa -N "" -C partner -f ssh-ecdsa.pem && mv ssh-ecdsa.pem.pub ssh-ecdsa.pub

# JWK.
node -e '
const crypto = require("crypto"), fs = require("fs");
for (const name of ["rsa", "ec", "p384", "p521", "secp256k1", "ed25519", "x25519", "ed448"]) {
  const key = crypto.createPrivateKey(fs.readFileSync(name + ".pem"));
  fs.writeFileSync(name + "-jwk.json", JSON.stringify({ ...key.export({ format: "jwk" }), kid: "1" }));
  fs.writeFileSync(name + "-public-jwk.json", JSON.stringify(crypto.createPublicKey(key).export({ format: "jwk" }), null, 2));
}
const rsa = JSON.parse(fs.readFileSync("rsa-jwk.json"));
fs.writeFileSync("rsa-jwks.json", JSON.stringify({ keys: [rsa] }));
fs.writeFileSync("rsa-jwks-two.json", JSON.stringify({ keys: [rsa, JSON.parse(fs.readFileSync("ec-jwk.json"))] }));
fs.writeFileSync("rsa-jwk-no-primes.json", JSON.stringify({ kty: "RSA", n: rsa.n, e: rsa.e, d: rsa.d }));
const secret = crypto.createSecretKey(Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"));
fs.writeFileSync("aes-jwk.json", JSON.stringify(secret.export({ format: "jwk" })));
'

# OpenPGP.
home=$(mktemp -d)
chmod 700 "$home"
gpg --homedir "$home" --batch --quiet --passphrase "" --quick-gen-key partner@example.com
gpg --homedir "$home" --export > pgp-public.gpg
gpg --homedir "$home" --export --armor > pgp-public.asc
gpg --homedir "$home" --batch --export-secret-keys > pgp.gpg
gpg --homedir "$home" --batch --export-secret-keys --armor > pgp.asc
gpgconf --homedir "$home" --kill all
rm -rf "$home"
chmod 644 -- *.*
