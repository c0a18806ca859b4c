#!/bin/sh
# Creates the root folder of the image of one program:
#
#   deploy/image-root.sh PROGRAM FOLDER
#
# PROGRAM is vault, allowlist, gateway, or standalone. The folder contains the program,
# a non-root user, the authorities of public certificates, and a folder for data. It has
# no shell, no library, and no package manager. The Dockerfile runs this script; any other
# tool that packs folders can run it too. The same sources and the same Go version produce
# the same bytes in any location.
#
# VERSION, COMMIT and DATE describe the build, as in build-program.sh. Needs Go and root
# (for the ownership of the data folder).
set -eu
program=$1 root=$2
case $program in
vault | allowlist | gateway | standalone) ;;
*)
	echo "image-root: PROGRAM must be vault, allowlist, gateway, or standalone" >&2
	exit 2
	;;
esac
cd "$(dirname "$0")/.."
umask 022

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/keyward"
<<<<<<< HEAD
deploy/build-program.sh "$program" "$root/usr/bin/$program"
=======
# Memory that held keys is erased: see pkg/memory.
GOEXPERIMENT=runtimesecret CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-s -w -buildid=' \
	-o "$root/usr/bin/$program" "./services/cmd/$program"
>>>>>>> words-f
# One name for the entry point of all images.
ln -sf "usr/bin/$program" "$root/keyward"

cat >"$root/etc/passwd" <<'END'
root:x:0:0:root:/:/nonexistent
keyward:x:65532:65532:Keyward:/var/lib/keyward:/nonexistent
END
printf 'root:x:0:\nkeyward:x:65532:\n' >"$root/etc/group"
# For token issuers and endpoints with certificates of public authorities.
cp "${CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/certs/ca-certificates.crt"
chmod 0644 "$root/etc/ssl/certs/ca-certificates.crt"

mkdir -p "$root/var/lib/keyward"
chmod 0700 "$root/var/lib/keyward"
chown 65532:65532 "$root/var/lib/keyward"
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
