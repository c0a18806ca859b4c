#!/usr/bin/env bash
# Runs the services of a compose file without an engine, as far as one matters here:
# each program in a root folder of its own that is read-only and holds what its image
# holds, as the user, with the command and the volumes that the file says. They share
# one network, whose names all lead to loopback. Then it runs a command beside them.
#
#   unshare --net --mount compose-run.sh PROJECT IMAGES STATE COMMAND...
#
# PROJECT is the compose file as JSON, IMAGES a folder with the root folder of each
# program's image, STATE a new folder. What runs ends with the command.
set -euo pipefail
project=$1 images=$2 state=$3
shift 3

service() { jq -r --arg s "$1" ".services[\$s] | $2" "$project"; }

mount --make-rprivate /
ip link set lo up
mkdir -p "$state/volumes" "$state/roots" "$state/logs"
for volume in $(jq -r '.volumes | keys[]' "$project"); do
	install -d -m 0700 -o 65532 -g 65532 "$state/volumes/$volume"
done
{
	echo "127.0.0.1 localhost"
	jq -r '.services | keys[] | "127.0.0.1 " + .' "$project"
} >"$state/hosts"
mount --bind "$state/hosts" /etc/hosts

running=()
trap 'kill "${running[@]}" 2>/dev/null; wait' EXIT

# mounts binds the volumes of a service into a root folder.
mounts() {
	local root=$1 type source target read_only
	while IFS=$'\t' read -r type source target read_only; do
		if [ "$type" = volume ]; then source=$state/volumes/$source; fi
		if [ -d "$source" ]; then mkdir -p "$root$target"; else
			mkdir -p "$(dirname "$root$target")"
			touch "$root$target"
		fi
		mount --bind "$source" "$root$target"
		if [ "$read_only" = true ]; then mount -o remount,bind,ro "$root$target"; fi
	done < <(service "$2" '.volumes[] | [.type, .source, .target, (.read_only // false)] | @tsv')
}

# program starts a service of ours in the root folder of its image.
program() {
	local name=$1 root=$state/roots/$1 command
	cp -a "$images/${name%-upgrade}" "$root"
	mkdir "$root/proc" && touch "$root/etc/hosts" # as engines do
	mount --bind "$root" "$root"
	mounts "$root" "$name"
	mount --bind "$state/hosts" "$root/etc/hosts"
	mount --bind /proc "$root/proc"
	mount -o remount,bind,ro "$root"
	mapfile -t command < <(service "$name" '.command[]')
	chroot --userspec="$(service "$name" .user)" "$root" /keyward "${command[@]}" >"$state/logs/$name" 2>&1 &
	running+=($!)
}

# bootstrap runs a service of the image of that name, which has bash and openssl; the
# machine at hand serves as its root. Its /files is put together below STATE.
bootstrap() {
	local name=$1 root=$state/roots/$1 command
	mounts "$root" "$name"
	mapfile -t command < <(service "$name" '((.entrypoint // [])[1:] + .command)[] | if . == "/files" then "FILES" else . end')
	exec setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs \
		"${BOOTSTRAP:?}" "${command[@]/FILES/$root/files}"
}

chmod 0755 "$state" "$state/roots" "$state/volumes"
(bootstrap bootstrap)
(bootstrap issuer) >"$state/logs/issuer" 2>&1 &
running+=($!)
for name in vault allowlist; do
	program "$name-upgrade"
	wait "${running[-1]}"
done
for name in gateway allowlist vault; do program "$name"; done # in the least favourable order

(bootstrap token) >"$state/owner.token"
STATE=$state "$@" || {
	tail -n 20 "$state"/logs/* >&2
	exit 1
}
