# Every block carries a checksum that fio checks on reading it back: buffered with fsync, then direct.
cd "$M"
fio --name=buffered --directory="$M" --numjobs=4 --size=${SIZE:-8m} --rw=randrw --bs=4k --ioengine=psync --fsync=32 \
    --verify=crc32c --verify_fatal=1 --do_verify=1 --fallocate=none --group_reporting --output="$T/buffered.log"
fio --name=direct --directory="$M" --numjobs=4 --size=${SIZE:-8m} --rw=randwrite --bs=16k --ioengine=libaio --iodepth=8 --direct=1 --fsync=64 \
    --verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting --output="$T/direct.log"
fio --name=mapped --directory="$M" --numjobs=4 --size=${SIZE:-8m} --rw=randwrite --bs=4k --ioengine=mmap --fsync=64 \
    --verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting --output="$T/mapped.log"
! grep -q 'verify:' "$T"/*.log
grep -h ' err= 0' "$T"/*.log | wc -l | grep -qx 3
