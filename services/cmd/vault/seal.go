package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/client/seal"
	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// maxValue is the maximum length of a value in bytes.
const maxValue = 64 << 10

var requestIDs = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// A sealing is the flags of the command `seal`.
type sealing struct {
	key         string // the key, or the path of a file
	secret      string
	requestID   string
	data        bool
	keepNewline bool
	update      bool
	password    string // a path
}

// sealCommand returns the command that seals a value. It reads no configuration and makes no
// calls.
func sealCommand() *cobra.Command {
	var s sealing
	cmd := &cobra.Command{
		Use:   "seal",
		Short: "Seal a value from standard input, and print the request that stores it",
		Long: `Reads a value from standard input, seals it to a public key of the vault, and prints the
CreateSecret or UpdateSecret request that stores it, as JSON. The request must arrive within an
hour, with its request ID unchanged.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd.InOrStdin(), cmd.OutOrStdout(), time.Now())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.key, "key", "", "public key of the vault in base64, or a file that contains it or the response of GetSealing")
	flags.StringVar(&s.secret, "secret", "", "resource name of the secret, workspaces/{workspace}/secrets/{secret}")
	flags.StringVar(&s.requestID, "request-id", "", "idempotency key of the request (default: generated)")
	flags.BoolVar(&s.data, "data", false, "read the input as bytes, unchanged (default: UTF-8 text)")
	flags.BoolVar(&s.keepNewline, "keep-newline", false, "keep the line break at the end of the text (default: remove one)")
	flags.StringVar(&s.password, "file-password", "", "file that contains the password, if the input is a PKCS #12 file; requires --data")
	flags.BoolVar(&s.update, "update", false, "print a request that adds a version to an existing secret (default: a request that creates the secret)")
	for _, name := range []string{"key", "secret"} {
		_ = cmd.MarkFlagRequired(name) // fails only for an unknown flag
	}
	cmd.MarkFlagsMutuallyExclusive("data", "keep-newline")
	return cmd
}

func (s sealing) run(in io.Reader, out io.Writer, now time.Time) error {
	workspace, id, ok := resource.Cut(s.secret, "secrets")
	if !ok {
		return errors.New("secret: must be workspaces/{workspace}/secrets/{secret}")
	}
	if s.requestID == "" {
		s.requestID = uuid.NewString()
	}
	if !requestIDs.MatchString(s.requestID) {
		return errors.New("request-id: must be 1 to 64 letters, digits, dots, hyphens, and underscores")
	}
	key, err := readKey(s.key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	value, err := s.read(in)
	if err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	defer clear(value)
	sealed, err := key.Seal(value, seal.Place{Secret: s.secret, RequestID: s.requestID, Time: now, Text: !s.data})
	if err != nil {
		return err
	}
	password, err := s.readPassword()
	if err != nil {
		return fmt.Errorf("file-password: %w", err)
	}
	secret := &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Sealed{Sealed: sealed}, FilePassword: password}}
	var request proto.Message = &vaultv1.CreateSecretRequest{
		Parent: resource.WorkspaceName(workspace), SecretId: id, Secret: secret, RequestId: s.requestID,
	}
	if s.update {
		secret.Name = s.secret
		request = &vaultv1.UpdateSecretRequest{Secret: secret, RequestId: s.requestID}
	}
	text, err := protojson.MarshalOptions{Multiline: true}.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	if _, err := fmt.Fprintf(out, "%s\n", text); err != nil {
		return fmt.Errorf("print request: %w", err)
	}
	return nil
}

// readPassword returns the password in the file of the flag, without line breaks at its end.
func (s sealing) readPassword() (string, error) {
	switch {
	case s.password == "":
		return "", nil
	case !s.data:
		return "", errors.New("must be used with --data, because a PKCS #12 file is bytes")
	}
	text, err := os.ReadFile(s.password)
	if err != nil {
		return "", err
	}
	defer clear(text)
	return string(bytes.TrimRight(text, "\r\n")), nil
}

// read reads the value. The caller wipes it.
func (s sealing) read(in io.Reader) ([]byte, error) {
	buffer := make([]byte, maxValue+3) // room for a line break, which may be removed
	n, err := io.ReadFull(in, buffer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(buffer)
		return nil, err
	}
	value := buffer[:n]
	if !s.data && !s.keepNewline {
		if trimmed, found := bytes.CutSuffix(value, []byte("\n")); found {
			value = bytes.TrimSuffix(trimmed, []byte("\r"))
		}
	}
	switch {
	case len(value) == 0 || len(value) > maxValue:
		err = errors.New("must be 1 byte to 64 KiB long")
	case !s.data && !utf8.Valid(value):
		err = errors.New("must be UTF-8 text; for bytes, set --data")
	default:
		return value, nil
	}
	clear(buffer)
	return nil, err
}

// readKey returns a key. The argument is the key as a string, or the path of a file that contains
// the key as a string or the response of GetSealing. The first key of a response is the newest.
func readKey(given string) (seal.Key, error) {
	if key, err := seal.ParseKey(given); err == nil {
		return key, nil
	}
	text, err := os.ReadFile(given)
	if err != nil {
		return seal.Key{}, fmt.Errorf("%w, or the path of a readable file", seal.ErrKey)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return seal.ParseKey(string(text))
	}
	keys, err := keysOf(text)
	if err != nil {
		return seal.Key{}, err
	}
	return seal.NewKey(keys[0].GetPublicKey())
}

// keysOf returns the keys of a response of GetSealing over HTTP or gRPC.
func keysOf(text []byte) ([]*vaultv1.SealingKey, error) {
	options := protojson.UnmarshalOptions{DiscardUnknown: true}
	var sealing vaultv1.Sealing
	var response vaultv1.GetSealingResponse
	if options.Unmarshal(text, &sealing) == nil && len(sealing.GetKeys()) > 0 {
		return sealing.GetKeys(), nil
	}
	if options.Unmarshal(text, &response) == nil && len(response.GetSealing().GetKeys()) > 0 {
		return response.GetSealing().GetKeys(), nil
	}
	return nil, errors.New("the file must contain a public key or the response of GetSealing")
}
