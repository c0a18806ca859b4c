package keyform

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"
)

// fromOpenSSH returns the key in an OpenSSH block.
func fromOpenSSH(der []byte) material {
	m := material{secret: true, form: "OpenSSH private key"}
	if len(der) > maxKey {
		m.problem = tooLong()
		return m
	}
	armored := pemOf("OPENSSH PRIVATE KEY", der)
	defer clear(armored)
	key, err := ssh.ParseRawPrivateKey(armored)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		m.problem = encrypted(`ssh-keygen -p -N "" -f copy-of-key`)
		return m
	}
	if err != nil {
		m.problem = &Problem{
			Form: FormSSH, Cause: "The OpenSSH key is damaged or of an unsupported kind.",
			Remedy: "Convert it to PEM: ssh-keygen -p -m PKCS8 -f copy-of-key",
		}
		return m
	}
	if key, pointer := key.(*ed25519.PrivateKey); pointer {
		return m.withPrivate(*key)
	}
	return m.withPrivate(key)
}

// fromTextFormat returns the key of text in a format other than PEM.
func fromTextFormat(body []byte) (m material, known bool) {
	switch {
	case bytes.HasPrefix(body, []byte("PuTTY-User-Key-File-")):
		return material{secret: true, form: "PuTTY private key", problem: &Problem{
			Form: FormPuTTY, Cause: "The value is a PuTTY private key.",
			Remedy: "Convert it to PEM: puttygen key.ppk -O private-openssh -o key.pem",
		}}, true
	case bytes.HasPrefix(body, []byte("---- BEGIN SSH2 PUBLIC KEY ----")):
		return material{form: "SSH2 public key", problem: &Problem{
			Form: FormSSH, Cause: "The value is an SSH2 public key.",
			Remedy: "Convert it to the OpenSSH format: ssh-keygen -i -f key.pub > key.pem",
		}}, true
	}
	for _, begins := range []string{"ssh-", "ecdsa-sha2-", "sk-"} {
		if bytes.HasPrefix(body, []byte(begins)) && len(body) <= 2*maxKey {
			return fromAuthorized(body)
		}
	}
	return material{}, false
}

// fromAuthorized returns the public key of an OpenSSH line.
func fromAuthorized(line []byte) (m material, known bool) {
	key, _, _, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return material{}, false
	}
	m = material{form: "OpenSSH public key", algorithm: strings.TrimPrefix(key.Type(), "ssh-")}
	public, ok := key.(ssh.CryptoPublicKey)
	if !ok || strings.HasPrefix(key.Type(), "sk-") {
		m.problem = unsupported(key.Type())
		return m, true
	}
	return m.withPublic(public.CryptoPublicKey()), true
}
