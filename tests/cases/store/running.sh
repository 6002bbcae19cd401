# What a running process uses stays: an opened file, a working folder, a program, a variable.
export CBUILD_ROOT="$PWD/root"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
mkdir m m/tree; cp "$(command -v sleep)" m/tree/sleep
printf 'import std\npub let a: Package = std.fetch.local(./tree, "tree")\n' > m/main.cbuild
p=$($CBUILD build -q m:a)
kept() { $CBUILD store gc | grep '; 1 stay'; }
when() { until "$@"; do sleep 0.05; done; }
ended() { kill $!; wait $! || true; }
is_in() { test "$(readlink /proc/$!/cwd)" = "$p"; }
is_run() { test "$(readlink /proc/$!/exe)" = "$p/sleep"; }
has_variable() { grep -q "$p/bin" /proc/$!/environ; }
exec 7< "$p/sleep"; kept; exec 7<&-
(cd "$p" && exec sleep 1000) & when is_in; kept; ended
"$p/sleep" 1000 & when is_run; kept; ended
tool=$p/bin sleep 1000 & when has_variable; kept; ended
$CBUILD store gc | grep '; 0 stay'
