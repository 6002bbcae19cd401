#!/bin/bash
# Runs an image with crun: skopeo reads it, umoci unpacks it, crun runs it. No daemon.
#
#   crun.sh IMAGE [--probe PORT SEND EXPECT] [-- ARG...]
#
# IMAGE is an OCI layout folder, an OCI archive or a docker archive. Without --probe the
# program's output and exit status are passed on; ARGs follow its own arguments. With --probe
# the program is a server: SEND is sent to its PORT as one line from inside its network, the
# first line of the answer is printed, and the status is 0 when it is EXPECT.
# As a normal user the program runs as the only user of a user namespace.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/client.bash"
need crun:crun umoci:umoci skopeo:skopeo jq:jq nsenter:util-linux
parse_options "$@"
[ "$network" = none ] || fail "crun.sh knows --network none only"

# crun refuses the mixture of cgroup versions that some machines have, even when told to use
# none; in a mount namespace of its own there is nothing mounted there that it could dislike.
if [ -z "${CBUILD_CRUN_NAMESPACE-}" ]; then
    export CBUILD_CRUN_NAMESPACE=1
    if [ "$(id -u)" = 0 ]; then
        exec unshare --mount "$0" "$@"
    fi
    export CBUILD_CRUN_ROOTLESS=1
    exec unshare --mount --user --map-root-user "$0" "$@"
fi
mount -t tmpfs none /sys/fs/cgroup

work=$(mktemp -d)
id=cbuild-$$
cleanup() {
    crun --root "$work/state" delete --force "$id" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

skopeo copy --quiet --insecure-policy "$(image_format "$image"):$image" "oci:$work/image:run" >&2
umoci unpack ${CBUILD_CRUN_ROOTLESS:+--rootless} --image "$work/image:run" "$work/bundle" >/dev/null

# No terminal, no cgroup. Volumes are folders of the image itself, as docker has it: umoci
# would mount an empty file system there that only root may write. Without root there is one
# user, and the namespace that was made above is the container's.
jq --args '
    .process.terminal = false
    | .process.args += $ARGS.positional
    | .linux.cgroupsPath = ""
    | .mounts |= map(select(.type != "tmpfs" or (.destination | startswith("/dev"))))
    | if env.CBUILD_CRUN_ROOTLESS then
        .process.user = {uid: 0, gid: 0}
        | del(.linux.uidMappings, .linux.gidMappings)
        | .linux.namespaces |= (map(select(.type != "user")) + [{type: "network"}] | unique_by(.type))
      else . end
' "${args[@]}" <"$work/bundle/config.json" >"$work/config.json"
mv "$work/config.json" "$work/bundle/config.json"

run() {
    crun --root "$work/state" --cgroup-manager=disabled run \
        --bundle "$work/bundle" --pid-file "$work/pid" "$id"
}

# In the background, so that a signal is not held back until the program ends.
if [ -z "$port" ]; then
    run <&0 &
    wait $!
    exit
fi

run >"$work/log" 2>&1 </dev/null &
server=$!
probe() {
    kill -0 $server 2>/dev/null || return 0
    [ -s "$work/pid" ] || return 1
    nsenter --net --target "$(cat "$work/pid")" bash -c \
        '. "$1/client.bash"; shift; answer "$@"' probe "$here" "$port" "$send" "$expect" \
        >"$work/answer" 2>"$work/trouble"
}
if wait_until 20 probe && kill -0 $server 2>/dev/null; then
    cat "$work/answer"
else
    echo "no answer \`$expect\` from port $port; the server wrote:" >&2
    cat "$work/answer" "$work/trouble" "$work/log" >&2 2>/dev/null || true
    exit 1
fi
crun --root "$work/state" kill "$id" KILL
wait $server || true
