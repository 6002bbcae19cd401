# A store in a lower layer, as in an image of a container: nothing there can be moved, and all commands work.
mkdir m u w mnt
cat > m/main.cbuild <<'END'
import std
pub let a: Package = std.tree.assemble { name = "a", files = { "f" = sh"hello", "d/e/f" = sh"deep" } }
pub let b: Package = std.tree.assemble { name = "b", files = { "f" = sh"other", "d/e/f" = sh"deep" } }
END
$CBUILD --root "$PWD/low" build -q m:a; $CBUILD --root "$PWD/low" build -q -o b m:b
over() { mount -t overlay overlay -o lowerdir=low,upperdir=u,workdir=w mnt; }
anew() { umount mnt; rm -rf u w; mkdir u w; over; }
export CBUILD_ROOT="$PWD/mnt"
over
$CBUILD store gc | grep 'deleted 1 objects'; $CBUILD store verify
damage() { f=$(echo mnt/store/*-b/f); chmod 644 $f; echo damaged > $f; }
anew; damage
$CBUILD store verify --repair && exit 1 || true; $CBUILD store verify; test -z "$(ls -d mnt/store/*-b 2>/dev/null)"
anew; damage
$CBUILD store repair; $CBUILD store verify; cat mnt/store/*-b/f | grep other
anew; damage; $CBUILD store verify && exit 1 || true
$CBUILD build -q m:b; $CBUILD store verify
anew; mkdir -p mnt/store/nothing/of/ours; $CBUILD store optimise
$CBUILD store verify --repair && exit 1 || true; $CBUILD store verify; test -d mnt/foreign/nothing/of/ours
anew; $CBUILD store verify --rebuild-index; umount mnt
# A foreign folder in the lower layer is moved out of the store, too.
mkdir -p low/store/nothing/of/ours; echo x > low/store/nothing/of/x; rm -rf u w; mkdir u w; over
$CBUILD store verify --repair && exit 1 || true; $CBUILD store verify; cat mnt/foreign/nothing/of/x
umount mnt
