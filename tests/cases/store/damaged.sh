# What a verification has found to be damaged is not used again: the next build makes it anew.
mkdir m
cat > m/main.cbuild <<'END'
import std
pub let a: Package = std.tree.assemble { name = "a", files = { "f" = sh"hello" } }
pub let b: Package = std.tree.text_file("b", sh"#{a}/f")
pub let c: Package = std.fetch.local(./main.cbuild, "c")
END
export CBUILD_ROOT="$PWD/root"
p=$($CBUILD build -q m:a); $CBUILD build -q -o result m:b; c=$($CBUILD build -q m:c)
chmod 644 "$p/f" "$c"; echo other > "$p/f"; echo other > "$c"
$CBUILD store verify > out 2>&1 && exit 1 || true; cat out; grep E1028 out
$CBUILD store export "$PWD/result" -o export 2> err && exit 1 || true; grep E0627 err
$CBUILD build -q m:b; grep hello "$p/f"
$CBUILD build -q m:c; cmp m/main.cbuild "$c"
$CBUILD store verify; $CBUILD store export "$PWD/result" -o export
# The same from an export.
chmod 644 "$p/f"; echo other > "$p/f"; $CBUILD store verify && exit 1 || true
$CBUILD store import export; grep hello "$p/f"; $CBUILD store verify
# A repair that comes later finds it in order, and drops nothing.
chmod 644 "$p/f"; echo other > "$p/f"; $CBUILD store verify && exit 1 || true
$CBUILD build -q m:b; $CBUILD store verify --repair; grep hello "$p/f"
