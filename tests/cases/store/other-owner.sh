# Objects and leftovers of another user stop nothing: they stay, and that is told.
[ "$(awk '{ print $3 }' /proc/self/uid_map)" -gt 65534 ] || { echo 'needs other users'; exit 0; }
mkdir m shared home; chmod 777 . m shared home; chmod 755 m
printf 'import std\npub let a: Package = std.tree.assemble { name = "a", files = { "f" = sh"hello" } }\n' > m/main.cbuild
export CBUILD_ROOT="$PWD/shared/root"
other() { HOME="$PWD/home" setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
other $CBUILD build -q m:a; echo one > one; other $CBUILD store add one
chown -R 0:0 shared/root/store/*-a
mkdir shared/root/tmp/1-1; chmod 700 shared/root/tmp/1-1; mkdir shared/root/tmp/1-1/x
other $CBUILD store gc > out 2>&1; cat out; grep 'deleted 1 objects' out; grep 'belong to another user' out
other $CBUILD store verify
$CBUILD store gc | grep 'deleted 1 objects'
# A store of another user is read.
$CBUILD --root "$PWD/mine" build -q m:a; chmod -R a+rX mine
CBUILD_ROOT="$PWD/mine"; other $CBUILD store ls | grep -- -a; other $CBUILD build -q m:a; other $CBUILD store verify
for command in "store add one" "store gc" "store verify --rebuild-index"; do
  other $CBUILD $command 2> err && exit 1 || true; grep E0628 err; grep 'belongs to .*user 0' err
done
