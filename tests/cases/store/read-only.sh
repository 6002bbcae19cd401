# A store on a read-only disk is read as any other; what would write says why it cannot.
mkdir m ro
cat > m/main.cbuild <<'END'
import std
pub let a: Package = std.tree.text_file("a", sh"hello")
pub let b: Package = std.tree.text_file("b", sh"new")
pub let c: Package = std.fetch.local(./main.cbuild, "c")
END
p=$($CBUILD --root "$PWD/rw" build -q -o result m:a); $CBUILD --root "$PWD/rw" build -q m:c
export CBUILD_ROOT="$PWD/ro"
reads() {
  mount --bind rw ro; mount -o remount,ro,bind ro
  $CBUILD store ls | wc -l | grep -x 3
  $CBUILD store info; $CBUILD store info "/cbuild/store/$(basename $p)"; $CBUILD store roots; $CBUILD store history
  $CBUILD store verify
  $CBUILD store export "/cbuild/store/$(basename $p)" -o export
  $CBUILD store gc --dry-run | grep 'would delete 2'
  $CBUILD build -q m:a | grep "$PWD/ro/store/"; $CBUILD build -q m:c; $CBUILD build --no-cache -q m:c
  for command in "build m:b" "store gc" "store optimise" "store add m" "store verify --rebuild-index"; do
    $CBUILD $command 2> err && { echo "$command"; exit 1; }; grep E0626 err
  done
  umount ro
}
reads
# Without the files that SQLite keeps beside the index, all of which is in its file.
$CBUILD --root "$PWD/rw" store verify --rebuild-index; rm -f rw/index.sqlite-*
reads
# As an older program has left it.
$CBUILD --root "$PWD/rw" store verify; echo 'cbuild-store 1' > rw/version; reads; echo 'cbuild-store 1 to 2' > rw/version; reads
echo 'cbuild-store 2' > rw/version
# Since another start of the system, too.
$CBUILD --root "$PWD/rw" store verify; rm -rf rw/tmp
reads
