# A store in the source folder is told, and nothing is copied into itself.
mkdir m; echo x > m/x
printf 'import std\npub let src: Package = std.fetch.local(./., "src")\npub let x: Package = std.fetch.local(./x, "x")\n' > m/main.cbuild
timeout 60 $CBUILD --root "$PWD/m/.store" build m:src 2> err && exit 1 || true
tr -d '\n' < err | grep 'holds the store'; grep -- --root err
mkdir bound; mount --bind m bound
timeout 60 $CBUILD --root "$PWD/bound/.store" store add m 2> err && exit 1 || true
grep E0625 err
umount bound
$CBUILD --root "$PWD/m/.store" build m:x
$CBUILD --root "$PWD/outside" build m:x
