package kek

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A tokenKey is a key in a PKCS #11 token, as a URI of RFC 7512 names it.
type tokenKey struct {
	token, serial string
	object        string
	id            string // bytes
	module        string // path of the library
	pin           string // path of the file with the PIN
}

// parseToken parses what follows the scheme.
func parseToken(rest string) (k tokenKey, err error) {
	path, query, _ := strings.Cut(rest, "?")
	attributes, err := attributesOf(path, "token", "serial", "object", "id", "type")
	if err != nil {
		return k, err
	}
	values, err := parameters(query, "module-path", "pin-source")
	if err != nil {
		return k, err
	}
	k = tokenKey{
		token: attributes["token"], serial: attributes["serial"], object: attributes["object"], id: attributes["id"],
		module: values["module-path"],
	}
	kind, typed := attributes["type"]
	switch {
	case k.token == "" && k.serial == "":
		return k, errors.New("must name a token by its label or its serial number, as token=LABEL or serial=NUMBER")
	case k.token != "" && k.serial != "":
		return k, errors.New("must name a token by its label or by its serial number, not by both")
	case k.object == "" && k.id == "":
		return k, errors.New("must name a key by its label or its ID, as object=LABEL or id=%01")
	case typed && kind != "secret-key":
		return k, errors.New("attribute type must be secret-key")
	case !strings.HasPrefix(k.module, "/"):
		return k, errors.New("parameter module-path must be the absolute path of the library of the token")
	}
	source, ok := strings.CutPrefix(values["pin-source"], "file:")
	if !ok {
		return k, errors.New("parameter pin-source must name a file with the PIN, as file:/etc/keyward/pin")
	}
	if k.pin, err = parsePath(source); err != nil {
		return k, fmt.Errorf("parameter pin-source: %w", err)
	}
	return k, nil
}

// attributesOf parses the attributes of a path, which semicolons separate.
func attributesOf(path string, known ...string) (map[string]string, error) {
	values := make(map[string]string)
	for pair := range strings.SplitSeq(path, ";") {
		name, value, assigned := strings.Cut(pair, "=")
		switch {
		case name == "pin-value":
			return nil, errors.New("attribute pin-value is not allowed: a URI must not contain a PIN; use pin-source")
		case !slices.Contains(known, name):
			return nil, unknownParameter(name, assigned, known)
		}
		text, err := url.PathUnescape(value)
		if err != nil || text == "" {
			return nil, fmt.Errorf("attribute %s must have a value, in which %%XX stands for special characters", name)
		}
		if _, twice := values[name]; twice {
			return nil, fmt.Errorf("attribute %s must occur once", name)
		}
		values[name] = text
	}
	return values, nil
}

// String returns the name of the key for errors.
func (k tokenKey) String() string {
	if k.object == "" {
		return "id " + hex.EncodeToString([]byte(k.id))
	}
	return k.object
}
