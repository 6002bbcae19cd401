# Shared by crun.sh and docker.sh: options, and the clean-up of what they start.
# Sourced, never run.

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 3
}

usage() {
    printf 'usage: %s IMAGE [--probe PORT SEND EXPECT] [--network none|host] [-- ARG...]\n' "${0##*/}" >&2
    exit 2
}

# need COMMAND:PACKAGE... : stops with the Debian packages that are missing.
need() {
    local missing=() pair
    for pair; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -eq 0 ] || fail "missing clients; run: apt-get install -y ${missing[*]}"
}

# Sets image, port, send, expect, network and the array args.
parse_options() {
    [ $# -gt 0 ] || usage
    image=$1 port='' send='' expect='' network=none args=()
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --probe)
            [ $# -ge 4 ] || usage
            port=$2 send=$3 expect=$4
            shift 4
            ;;
        --network)
            [ $# -ge 2 ] || usage
            network=$2
            shift 2
            ;;
        --)
            shift
            args=("$@")
            break
            ;;
        *) usage ;;
        esac
    done
    [ -e "$image" ] || fail "no such image: $image"
}

# The transport of the image in skopeo's words: oci, oci-archive or docker-archive.
image_format() {
    if [ -d "$1" ]; then
        echo oci
    elif tar -tf "$1" oci-layout >/dev/null 2>&1; then
        echo oci-archive
    else
        echo docker-archive
    fi
}

# wait_until SECONDS COMMAND... : repeats the command until it succeeds.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# answer PORT SEND EXPECT : sends one line to the server on this network and compares its first line.
# Runs in a process of its own, so that the connection is closed whatever happens.
answer() {
    timeout 5 bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf "%s\r\n" "$2" >&3
        IFS= read -r line <&3 && line=${line%$'"'\r'"'} || exit 1
        printf "%s\n" "$line"
        [ "$line" = "$3" ]' answer "$@" 2>/dev/null
}
