# On a full disk the good index stays, what only reads works, and a collection makes room.
mkdir mnt m; mount -t tmpfs -o size=20m tmpfs mnt
export CBUILD_ROOT="$PWD/mnt/r"
cat > m/main.cbuild <<'END'
import std
pub let a: Package = std.tree.text_file("a", sh"hello")
pub let b: Package = std.tree.text_file("b", sh"new")
END
p=$($CBUILD build -q m:a); head -c 3000000 /dev/urandom > big; $CBUILD store add big
dd if=/dev/zero of=mnt/fill bs=64k 2> dd || true
full() { "$@" 2> err && { cat err; exit 1; }; grep E0602 err; }
full $CBUILD store verify --rebuild-index
full $CBUILD build m:b
head -c 3000000 /dev/urandom > bigger; full $CBUILD store add bigger
$CBUILD store ls | wc -l | grep -x 2
$CBUILD store info; $CBUILD store roots; $CBUILD store history
$CBUILD store export "$p" -o export
$CBUILD build -q m:a
$CBUILD store verify; $CBUILD store verify --repair; $CBUILD store repair
$CBUILD store import export
$CBUILD store gc --dry-run | grep 'would delete 2 objects'
$CBUILD store gc | grep 'deleted 2 objects'
$CBUILD store verify --rebuild-index
$CBUILD build -q m:b
umount mnt
