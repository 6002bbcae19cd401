#!/bin/bash
# Runs an image with docker: starts a private daemon, loads the image, runs it, stops all.
#
#   docker.sh IMAGE [--probe PORT SEND EXPECT] [--network none|host] [-- ARG...]
#
# As crun.sh, but needs root, and uses nothing of a docker that may already run here: own
# data, own socket, no bridge, no packet filter. A probed server runs on the host's network
# when it is `host`; with `none` the probe enters the container's network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/client.bash"
need dockerd:docker.io docker:docker.io skopeo:skopeo nsenter:util-linux
[ "$(id -u)" = 0 ] || fail "needs root: dockerd does not start without"
parse_options "$@"

work=$(mktemp -d)
export DOCKER_HOST=unix://$work/sock DOCKER_CONFIG=$work/config
unset DOCKER_CONTEXT DOCKER_TLS_VERIFY DOCKER_CERT_PATH
daemon=''
cleanup() {
    if [ -n "$daemon" ]; then
        docker ps --quiet --all 2>/dev/null | xargs --no-run-if-empty docker rm --force >/dev/null 2>&1 || true
        kill $daemon 2>/dev/null || true
        wait $daemon 2>/dev/null || true
    fi
    for mounted in $(awk -v d="$work/" 'index($5, d) == 1 {print $5}' /proc/self/mountinfo | sort -r); do
        umount "$mounted" || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/pid" \
    --host "$DOCKER_HOST" --storage-driver=vfs --bridge=none --iptables=false \
    --ip6tables=false >"$work/log" 2>&1 &
daemon=$!
up() { ! kill -0 $daemon 2>/dev/null || docker version >/dev/null 2>&1; }
if ! wait_until 60 up || ! kill -0 $daemon 2>/dev/null; then
    tail -20 "$work/log" >&2
    fail "dockerd does not start here"
fi

# docker load reads docker archives; skopeo turns the OCI formats into one.
archive=$image
format=$(image_format "$image")
if [ "$format" != docker-archive ]; then
    archive=$work/image.tar
    skopeo copy --quiet --insecure-policy "$format:$image" "docker-archive:$archive:cbuild/run:latest" >&2
fi
loaded=$(docker load --quiet --input "$archive")
echo "$loaded" >&2
reference=${loaded#Loaded image: }
reference=${reference#Loaded image ID: }

# In the background, so that a signal is not held back until the program ends.
if [ -z "$port" ]; then
    docker run --rm --network="$network" "$reference" "${args[@]}" <&0 &
    wait $!
    exit
fi

container=$(docker run --detach --network="$network" "$reference" "${args[@]}")
running() { [ "$(docker inspect --format '{{.State.Running}}' "$container")" = true ]; }
probe() {
    running || return 0
    local enter=()
    [ "$network" = host ] || enter=(nsenter --net --target "$(docker inspect --format '{{.State.Pid}}' "$container")")
    "${enter[@]}" bash -c '. "$1/client.bash"; shift; answer "$@"' \
        probe "$here" "$port" "$send" "$expect" >"$work/answer" 2>"$work/trouble"
}
if wait_until 20 probe && running; then
    cat "$work/answer"
else
    echo "no answer \`$expect\` from port $port; the server wrote:" >&2
    cat "$work/answer" "$work/trouble" >&2 2>/dev/null || true
    docker logs "$container" >&2 || true
    exit 1
fi
