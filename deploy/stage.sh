#!/usr/bin/env bash
# Takes the steps of the Dockerfile in a clean prefix, for machines without a container engine: builds
# the program, puts it into a tree with the libraries that the base image has and nothing else, and
# runs it there as the image would: not root, with the image's settings, until its health check says
# that it is ready and SIGTERM ends it with status 0. Needs root, for chroot.
#
#   deploy/stage.sh [PROGRAM]     # without one: cargo build --release
set -euo pipefail
cd "$(dirname "$0")/.."

program=${1:-}
if [[ -z $program ]]; then
    cargo build --release --locked -p nearfield-server --bin nearfield
    program=${CARGO_TARGET_DIR:-target}/release/nearfield
fi
prefix=$(mktemp -d)
chmod 755 "$prefix"
server=
trap 'if [[ -n $server ]]; then kill -KILL "$server" 2>/dev/null || true; fi; rm -rf "$prefix"' EXIT

# COPY: the program, and what distroless/cc has of what it is linked with.
install -D -m 755 "$program" "$prefix/usr/local/bin/nearfield"
while read -r library; do
    case $(basename "$library") in
        ld-linux-*.so.* | libc.so.6 | libm.so.6 | libgcc_s.so.1 | libpthread.so.0 | libdl.so.2) ;;
        *) echo "the image does not have $library" >&2; exit 1 ;;
    esac
    install -D -m 755 "$library" "$prefix$library"
done < <(ldd "$program" | grep -o '/[^ ]*')
install -d -m 755 -o 65532 -g 65532 "$prefix/data"
install -d "$prefix/proc" "$prefix/dev"

# ENV, USER, ENTRYPOINT, CMD: from the Dockerfile itself.
mapfile -t settings < <(grep -oE 'NEARFIELD_[A-Z_]+=[^ \\]+' deploy/Dockerfile | grep -v '^NEARFIELD_INSECURE')
run() { env -i "${settings[@]}" "$@"; }
inside() { run chroot --userspec=65532:65532 "$prefix" /usr/local/bin/nearfield "$@"; }

# On all addresses it does not start without TLS and tokens, unless told so.
if inside serve 2>"$prefix/refusal"; then
    echo "it started without TLS, tokens or --insecure" >&2
    exit 1
fi
grep -q -- '--insecure' "$prefix/refusal" || { cat "$prefix/refusal" >&2; exit 1; }

ports=(--addr 127.0.0.1:50961 --metrics-addr 127.0.0.1:50962)
inside serve "${ports[@]}" >"$prefix/log" 2>&1 &
server=$!
for _ in $(seq 100); do
    # HEALTHCHECK
    if inside config ready 127.0.0.1:50962 >/dev/null 2>&1; then
        ready=yes
        break
    fi
    sleep 0.1
done
[[ ${ready:-} == yes ]] || { echo "it was never ready:" >&2; cat "$prefix/log" >&2; exit 1; }
# STOPSIGNAL
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[[ $status == 0 ]] || { echo "SIGTERM ended it with status $status" >&2; exit 1; }
echo "ready as uid 65532 in $(du -sh --apparent-size "$prefix" | cut -f1), stopped with status 0"
