# What a running process uses stays: an opened file, a working folder, a program, a variable.
export CBUILD_ROOT="$PWD/root"
mkdir m m/tree; cp "$(command -v sleep)" m/tree/sleep
printf 'import std\npub let a: Package = std.fetch.local(./tree, "tree")\n' > m/main.cbuild
p=$($CBUILD build -q m:a)
kept() { $CBUILD store gc | grep '; 1 stay'; }
exec 7< "$p/sleep"; kept; exec 7<&-
(cd "$p" && exec sleep 1000) & kept; kill $!; wait $! || true
"$p/sleep" 1000 & kept; kill $!; wait $! || true
tool=$p/bin sleep 1000 & sleep 0.2; kept; kill $!; wait $! || true
$CBUILD store gc | grep '; 0 stay'
