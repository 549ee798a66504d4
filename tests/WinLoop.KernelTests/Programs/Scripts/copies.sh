# cp, tar and rsync carry a tree with everything in it into the mount and out again; S is the tree.
manifest() { python3 "$SCRIPTS/manifest.py" "$1"; }
manifest "$S" > "$T/source"
# tar carries no sockets, and device nodes without their links.
for_tar() { sed -e "/^'special\/socket'/d" -e "/^'special\/device\(0\|.linked\)'/{s/links=2/links=1/;s/ same as b'[^']*'//}"; }
same_by_tar() { manifest "$1" | for_tar | diff -u <(for_tar < "$T/source") - || { echo "$2 differs"; exit 1; }; }
same() { manifest "$1" | diff -u "$T/source" - || { echo "$2 differs"; exit 1; }; }

mkdir "$M/cp" "$M/tar" "$M/rsync"
cp -a "$S/." "$M/cp"
same "$M/cp" "cp -a into the mount"
tar -C "$S" --xattrs --xattrs-include='*' --acls --format=posix --pax-option=delete=atime,delete=ctime -cf - . | tar -C "$M/tar" --xattrs --xattrs-include='*' --acls -xpf -
same_by_tar "$M/tar" "tar into the mount"
rsync -aHAX "$S/" "$M/rsync"
same "$M/rsync" "rsync into the mount"
test -z "$(rsync -aHAXi --checksum --delete "$S/" "$M/rsync")"

mkdir "$S/../out-cp" "$S/../out-tar" "$S/../out-rsync"
cp -a "$M/rsync/." "$S/../out-cp"
same "$S/../out-cp" "cp -a out of the mount"
tar -C "$M/cp" --xattrs --xattrs-include='*' --acls --format=posix --pax-option=delete=atime,delete=ctime -cf - . | tar -C "$S/../out-tar" --xattrs --xattrs-include='*' --acls -xpf -
same_by_tar "$S/../out-tar" "tar out of the mount"
rsync -aHAX --checksum "$M/cp/" "$S/../out-rsync"
same "$S/../out-rsync" "rsync out of the mount"
rm -rf "$M/tar"
