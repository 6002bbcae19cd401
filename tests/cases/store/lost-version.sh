# A store that has lost its version file is still one; a folder of something else is not.
mkdir m; printf 'import std\npub let a: Package = std.tree.text_file("a", sh"hello")\n' > m/main.cbuild
export CBUILD_ROOT="$PWD/root"
$CBUILD build -q -o result m:a; cp root/version version
rm root/version; $CBUILD store verify; cmp root/version version
: > root/version; $CBUILD build m:a; cmp root/version version; cat result
# One that says something else is told, and how to mend it.
printf 'cbuild-store \0\0' > root/version; $CBUILD build m:a 2> err && exit 1 || true; grep E0629 err; grep 'remove this file' err
printf 'cbuild-store 2 to 3\n' > root/version; $CBUILD build m:a 2> err && exit 1 || true; grep E0605 err
rm root/version; $CBUILD build m:a; cmp root/version version
mkdir other; echo x > other/file
$CBUILD --root "$PWD/other" store ls 2> err && exit 1 || true; grep E0606 err
echo 1.0.2 > other/version; $CBUILD --root "$PWD/other" store ls 2> err && exit 1 || true; grep E0606 err
