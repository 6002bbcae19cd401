# A root keeps its object however the path of the store is spelled; one that has ended is told.
mkdir m; ln -s . here; mkdir bound
printf 'import std\npub let a: Package = std.tree.text_file("a", sh"hello")\n' > m/main.cbuild
printf 'pub let b: Package = std.tree.assemble { name = "b", files = { "f" = sh"hello" } }\n' >> m/main.cbuild
$CBUILD --root "$PWD/store" build -q -o result m:a
$CBUILD --root "$PWD/m/../store" store gc | grep '; 1 stay'
$CBUILD --root "$PWD/here/store" store gc | grep '; 1 stay'
mount --bind store bound
$CBUILD --root "$PWD/bound" store gc | grep '; 1 stay'
umount bound
cat result
# By way of another link, and of one in a path that was moved.
$CBUILD --root "$PWD/m/../store" build -q -o second m:a
test "$(readlink second)" = "$(readlink result)"
mv store moved
$CBUILD --root "$PWD/moved" store gc | grep '; 1 stay'
$CBUILD --root "$PWD/moved" store roots | grep -c result | grep -x 1
$CBUILD --root "$PWD/moved" store info result | grep '/moved/store/'
mv moved store
ln -sfn "$PWD/result" chain; rm second; ln -s chain second
$CBUILD --root "$PWD/store" store gc | grep '; 1 stay'
# A link counts for what it points to, also in a copy of an object that is called as that.
b=$($CBUILD --root "$PWD/store" build -q m:b); copy=$(basename "$b"); cp -r "$b" .; chmod 755 "$copy"
$CBUILD --root "$PWD/store" build -q -o "$copy/result" m:a
$CBUILD --root "$PWD/store" store roots | grep "$copy/result -> .*-a "
rm "$copy/result"; $CBUILD --root "$PWD/store" store gc > out; grep "forgot the root .*/$copy/result" out; grep '; 1 stay' out
rm result chain second
$CBUILD --root "$PWD/store" store gc --dry-run > out; grep 'would forget the root .*/result: it is gone' out
$CBUILD --root "$PWD/store" store gc > out; grep 'deleted 1 objects' out; grep 'forgot the root .*/second: it is gone' out
$CBUILD --root "$PWD/store" store gc | grep -c forgot | grep -x 0
