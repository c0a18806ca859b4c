#!/bin/sh
# Builds one program as releases and images have it: static, and the same bytes from the
# same sources and the same Go, in any folder.
#
#   deploy/build-program.sh PROGRAM FILE
#
# VERSION, COMMIT and DATE describe the build; GOOS and GOARCH choose the platform.
set -eu
program=$1 file=$2
cd "$(dirname "$0")/.."
package=github.com/keyward/keyward/pkg/buildinfo
# What touches keys is erased from memory: see pkg/memory. The tag leaves out the debug pages of
# gRPC, which need html/template: with it, the linker must keep every exported method.
GOEXPERIMENT=runtimesecret CGO_ENABLED=0 go build -tags=grpcnotrace -trimpath -buildvcs=false \
	-ldflags="-s -w -buildid= -X $package.version=${VERSION:-} -X $package.commit=${COMMIT:-} -X $package.date=${DATE:-}" \
	-o "$file" "./services/cmd/$program"
