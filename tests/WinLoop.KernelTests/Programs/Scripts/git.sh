# A repository is made outside, cloned into the mount, worked in, packed and checked.
export HOME=$T GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git -c init.defaultBranch=main init -q "$T/origin"
for i in $(seq 1 300); do
    mkdir -p "$T/origin/d$((i % 17))"
    seq "$i" $((i * 20)) > "$T/origin/d$((i % 17))/f$i"
done
git -C "$T/origin" add -A
git -C "$T/origin" commit -qm first
for i in 1 2 3 4 5; do
    echo "$i" >> "$T/origin/d1/f1"
    git -C "$T/origin" commit -qam "change $i"
done
git clone -q --no-local "file://$T/origin" "$M/clone"
cd "$M/clone"
git fsck --full --strict
git checkout -qb work
for i in 1 2 3 4 5; do
    seq 1 $((i * 1000)) > "new$i"
    git mv "d2/f$((i * 17 + 2))" "moved$i"
    git rm -q "d3/f$((i * 17 + 3))"
    git add -A
    git commit -qm "work $i"
done
git checkout -q main
git merge -q --no-ff -m merge work
git -c core.fsync=all gc -q --aggressive --prune=now
git fsck --full --strict
test -z "$(git status --porcelain)"
git clone -q "$M/clone" "$M/second"
git -C "$M/second" fsck --full --strict
git -C "$M/second" push -q origin HEAD:refs/heads/pushed
test "$(git -C "$M/clone" rev-parse pushed)" = "$(git rev-parse main)"
