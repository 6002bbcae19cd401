# Two at once leave nothing in the objects, and what an earlier version has left goes without the object.
export CBUILD_ROOT="$PWD/root"
set +x
for folder in $(seq 0 49); do
  mkdir -p t/$folder; for file in $(seq 0 29); do echo same > t/$folder/$file; done
done
set -x
$CBUILD -q store add t
$CBUILD store optimise > one & $CBUILD store optimise > two & wait
$CBUILD store verify
test "$(find root/store -type f -links 1 | wc -l)" = 0
test "$(find root -name '.cbuild-link-new' | wc -l)" = 0
leave() { # As two of them did once.
  for folder in root/store/*/1 root/store/*/7; do
    chmod 755 $folder; ln "$(find $folder -type f | head -n 1)" $folder/.cbuild-link-new; done
  ln "$(find $folder -type f | head -n 1)" root/store/.cbuild-link-new
}
leave; $CBUILD store verify; test "$(find root/store/* -name '.cbuild-link-new' | wc -l)" = 0
leave; $CBUILD store verify --repair
leave; $CBUILD store verify --rebuild-index
# An index that was never searched, as one of that version.
leave; $CBUILD store verify --rebuild-index; leave; p=$(ls root/store | head -n 1)
ln -s "$PWD/root/store/$p" root/roots/kept
$CBUILD store gc | grep '; 1 stay'
$CBUILD store verify
