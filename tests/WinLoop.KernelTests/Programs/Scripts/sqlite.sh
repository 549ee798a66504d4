# Four writers and a reader at once, in both journal modes; the count and the integrity check tell.
for mode in wal delete truncate; do
    db=$M/$mode.db
    sqlite3 "$db" "pragma journal_mode=$mode; create table t(id integer primary key, who int, n int, filler blob); create index i on t(who, n);"
    writers=()
    for who in 1 2 3 4; do
        (
            for n in $(seq 1 ${TRANSACTIONS:-12}); do
                echo "begin immediate; insert into t(who, n, filler) values ($who, $n, randomblob(3000)); insert into t(who, n, filler) select who, n, randomblob(200) from t order by random() limit 5;"
                [ $((n % 5)) -ne 0 ] || echo "delete from t where id in (select id from t where filler is not null order by random() limit 2) and length(filler) = 200;"
                echo "commit;"
            done | sqlite3 -cmd ".timeout 60000" "$db"
        ) &
        writers+=($!)
    done
    for n in 1 2 3 4 5; do
        test "$(sqlite3 -cmd '.timeout 60000' "$db" 'pragma quick_check;')" = ok
    done
    for pid in "${writers[@]}"; do wait "$pid"; done
    test "$(sqlite3 "$db" 'pragma integrity_check;')" = ok
    test "$(sqlite3 "$db" 'select count(*) from t where length(filler) = 3000;')" = $((4 * ${TRANSACTIONS:-12}))
    sqlite3 "$db" "delete from t where who = 1; vacuum;"
    test "$(sqlite3 "$db" 'pragma integrity_check;')" = ok
done
