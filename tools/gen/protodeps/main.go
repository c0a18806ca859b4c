// Command protodeps writes the .proto files that Keyward's import (google/api, google/rpc,
// buf/validate, and the OpenAPI options) to the folder in its argument.
//
// It prints them from the descriptors in the Go packages that the generated code links against.
// Therefore the .proto text and the Go code cannot differ, no schema registry is needed, and this
// repository contains no copy.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	_ "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: protodeps FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "protodeps:", err)
		os.Exit(1)
	}
}

// write prints every registered file except protobuf's own files, which buf includes.
func write(folder string) (err error) {
	printer := protoprint.Printer{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if strings.HasPrefix(file.Path(), "google/protobuf/") {
			return true
		}
		path := filepath.Join(folder, filepath.FromSlash(file.Path()))
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return false
		}
		var text string
		if text, err = printer.PrintProtoToString(file); err != nil {
			err = fmt.Errorf("print %s: %w", file.Path(), err)
			return false
		}
		err = os.WriteFile(path, []byte(text), 0o644)
		return err == nil
	})
	return err
}
