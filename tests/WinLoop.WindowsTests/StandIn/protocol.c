/* One request, one answer: what a test says to the driver. Little-endian.
   Request (104 bytes, then up to three blobs, each padded to 8): u32 size, u32 operation, u32 client, u32 volume,
   u64 handle, u32 a[8], u64 q[4], u32 blob length[3], u32 0.
   Answer (152 bytes, then one blob): u32 size, u32 status, u64 handle, u32 r[6], u64 v[4], FileInfo, u32 length, u32 0. */
#include "standin.h"

#define REQUEST_HEAD 104
#define ANSWER_HEAD 152

enum {
    OP_CREATE = 1, OP_CLOSE, OP_READ, OP_WRITE, OP_FLUSH, OP_QUERY_INFO, OP_SET_BASIC, OP_SET_END, OP_SET_ALLOCATION,
    OP_SET_DISPOSITION, OP_RENAME, OP_QUERY_NAME, OP_QUERY_SECURITY, OP_SET_SECURITY, OP_QUERY_DIRECTORY, OP_QUERY_EA,
    OP_SET_EA, OP_GET_REPARSE, OP_SET_REPARSE, OP_DELETE_REPARSE, OP_QUERY_STREAMS, OP_QUERY_VOLUME, OP_SET_LABEL,
    OP_LOCK, OP_UNLOCK, OP_CONTROL, OP_SET_TOKEN, OP_LAZY_WRITE, OP_LAZY_INTERVAL, OP_STATISTICS, OP_STOP_SERVICE,
    OP_LOSE_DRIVER, OP_COUNTERS, OP_FIND_VOLUME, OP_TRACE, OP_CHANGES, OP_BENCH, OP_FLUSH_VOLUME, OP_EXIT_LEFT,
};

static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint64_t get64(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }

static bool parse(const uint8_t *in, int in_length, struct call *call)
{
    if (in_length < REQUEST_HEAD || get32(in) != (uint32_t)in_length)
        return false;
    call->op = get32(in + 4);
    call->client = get32(in + 8);
    call->volume_id = get32(in + 12);
    call->handle = get64(in + 16);
    for (int i = 0; i < 8; i++)
        call->a[i] = get32(in + 24 + 4 * i);
    for (int i = 0; i < 4; i++)
        call->q[i] = get64(in + 56 + 8 * i);
    uint32_t at = REQUEST_HEAD;
    for (int i = 0; i < 3; i++) {
        call->blob_length[i] = get32(in + 88 + 4 * i);
        if (call->blob_length[i] > (uint32_t)in_length - at)
            return false;
        call->blob[i] = in + at;
        at += (call->blob_length[i] + 7) & ~7u;
        if (at > (uint32_t)in_length)
            return false;
    }
    return true;
}

/* a[0] privileges; the blobs: user SID, primary group SID, group SIDs one after the other. */
static status_t set_token(const struct call *call)
{
    struct token token = {.client = call->client, .privileges = call->a[0]};
    if (call->blob_length[0] < 8 || call->blob_length[0] > 68 || call->blob_length[1] < 8 || call->blob_length[1] > 68)
        return ST_INVALID_PARAMETER;
    memcpy(token.user, call->blob[0], call->blob_length[0]);
    memcpy(token.group, call->blob[1], call->blob_length[1]);
    for (uint32_t at = 0; at + 8 <= call->blob_length[2] && token.group_count < 16;) {
        uint32_t size = 8 + 4u * call->blob[2][at + 1];
        if (size > 68 || at + size > call->blob_length[2])
            return ST_INVALID_PARAMETER;
        memcpy(token.groups[token.group_count++], call->blob[2] + at, size);
        at += size;
    }
    token_set(&token);
    return ST_SUCCESS;
}

static status_t read_changes(struct volume *volume, struct answer *answer)
{
    pthread_mutex_lock(&volume->trace_mutex);
    while (volume->changes != NULL) {
        struct change *change = volume->changes;
        uint32_t bytes = (uint32_t)wlen(change->name) * 2, size = (12 + bytes + 3) & ~3u;
        if (answer->blob_length + size > answer->capacity)
            break;
        uint8_t *out = answer->blob + answer->blob_length;
        memset(out, 0, size);
        memcpy(out, &change->filter, 4);
        memcpy(out + 4, &change->action, 4);
        memcpy(out + 8, &bytes, 4);
        memcpy(out + 12, change->name, bytes);
        answer->blob_length += size;
        volume->changes = change->next;
        if (volume->changes == NULL)
            volume->changes_tail = &volume->changes;
        free(change->name);
        free(change);
    }
    pthread_mutex_unlock(&volume->trace_mutex);
    return ST_SUCCESS;
}

static status_t trace(struct volume *volume, bool on, struct answer *answer)
{
    pthread_mutex_lock(&volume->trace_mutex);
    size_t size = volume->trace_count * sizeof volume->trace[0];
    if (size > answer->capacity)
        size = answer->capacity / sizeof volume->trace[0] * sizeof volume->trace[0];
    memcpy(answer->blob, volume->trace, size);
    answer->blob_length = (uint32_t)size;
    volume->trace_count = 0;
    volume->tracing = on;
    pthread_mutex_unlock(&volume->trace_mutex);
    return ST_SUCCESS;
}

static status_t counters(struct volume *volume, struct answer *answer)
{
    for (int i = 0; i < SLOT_COUNT && (i + 1) * 8u <= answer->capacity; i++) {
        uint64_t value = atomic_load(&volume->calls[i]);
        memcpy(answer->blob + i * 8, &value, 8);
        answer->blob_length = (uint32_t)(i + 1) * 8;
    }
    return ST_SUCCESS;
}

static status_t statistics(struct volume *volume, struct answer *answer)
{
    answer->r[0] = (uint32_t)handles_open(volume);
    answer->r[1] = (uint32_t)atomic_load(&volume->contexts_open);
    answer->r[2] = (uint32_t)cache_dirty_pages(volume);
    answer->r[3] = atomic_load(&volume->last_lost_status);
    answer->r[4] = volume->running;
    answer->r[5] = (uint32_t)volume->lost_writes;
    answer->v[0] = atomic_load(&volume->cached_reads);
    answer->v[1] = atomic_load(&volume->cached_writes);
    answer->v[2] = atomic_load(&volume->paging_reads);
    answer->v[3] = atomic_load(&volume->paging_writes);
    return ST_SUCCESS;
}

static status_t on_volume(struct volume *volume, const struct call *call, const wch *text, struct answer *answer)
{
    switch (call->op) {
    case OP_CREATE:
        return nt_create(volume, call, text, answer);
    case OP_QUERY_VOLUME:
        return nt_query_volume(volume, call->client, answer);
    case OP_SET_LABEL:
        return nt_set_label(volume, call->client, text, answer);
    case OP_FLUSH_VOLUME:
        return nt_flush_volume(volume, call->client);
    case OP_LAZY_WRITE:
        answer->v[0] = cache_write_some(volume, call->a[0] == 0 ? SIZE_MAX : call->a[0]);
        return ST_SUCCESS;
    case OP_LAZY_INTERVAL:
        pthread_mutex_lock(&volume->mutex);
        volume->lazy_interval = call->a[0];
        pthread_cond_broadcast(&volume->lazy_wake);
        pthread_mutex_unlock(&volume->mutex);
        return ST_SUCCESS;
    case OP_STATISTICS:
        return statistics(volume, answer);
    case OP_COUNTERS:
        return counters(volume, answer);
    case OP_LOSE_DRIVER:
        dispatcher_lose(volume);
        return ST_SUCCESS;
    case OP_TRACE:
        return trace(volume, call->a[0] != 0, answer);
    case OP_CHANGES:
        return read_changes(volume, answer);
    case OP_BENCH:
        return bench(volume, call, text, answer);
    default:
        return ST_INVALID_PARAMETER;
    }
}

static status_t query_name(struct handle *handle, struct answer *answer)
{
    pthread_mutex_lock(&handle->volume->mutex);
    uint32_t bytes = (uint32_t)wlen(handle->node->name) * 2;
    if (bytes <= answer->capacity) {
        memcpy(answer->blob, handle->node->name, bytes);
        answer->blob_length = bytes;
    }
    pthread_mutex_unlock(&handle->volume->mutex);
    return bytes <= answer->capacity ? ST_SUCCESS : ST_BUFFER_OVERFLOW;
}

static status_t on_handle(struct handle *handle, const struct call *call, const wch *text, struct answer *answer)
{
    uint32_t length;
    switch (call->op) {
    case OP_CLOSE: /* a[0] = 1: only Cleanup, the file object stays (a mapping) */
        nt_cleanup(handle);
        if (call->a[0] == 0) {
            handle_forget(handle);
            handle_release(handle); /* the table's own reference */
        }
        return ST_SUCCESS;
    case OP_READ:
        length = call->a[0] < answer->capacity ? call->a[0] : answer->capacity;
        return nt_read(handle, call->q[0], length, answer->blob, &answer->blob_length);
    case OP_WRITE:
        return nt_write(handle, call->q[0], call->a[0] != 0, call->blob[0], call->blob_length[0], &answer->r[0],
            &answer->info);
    case OP_FLUSH:
        return nt_flush(handle, &answer->info);
    case OP_QUERY_INFO:
        return nt_query_info(handle, &answer->info);
    case OP_SET_BASIC:
        return nt_set_basic(handle, call, answer);
    case OP_SET_END:
        return nt_set_size(handle, call->q[0], false, answer);
    case OP_SET_ALLOCATION:
        return nt_set_size(handle, call->q[0], true, answer);
    case OP_SET_DISPOSITION:
        return nt_set_disposition(handle, call->a[0], call->a[1] != 0);
    case OP_RENAME:
        return nt_rename(handle, text, call->a[0]);
    case OP_QUERY_NAME:
        return query_name(handle, answer);
    case OP_QUERY_SECURITY:
        return nt_query_security(handle, call->a[0], answer);
    case OP_SET_SECURITY:
        return nt_set_security(handle, call->a[0], call->blob[0], call->blob_length[0]);
    case OP_QUERY_DIRECTORY:
        return nt_query_directory(handle, call, text, answer);
    case OP_QUERY_EA:
        return nt_query_ea(handle, answer);
    case OP_SET_EA:
        return nt_set_ea(handle, call->blob[0], call->blob_length[0], answer);
    case OP_GET_REPARSE:
        return nt_get_reparse(handle, answer);
    case OP_SET_REPARSE:
        return nt_set_reparse(handle, call->blob[0], call->blob_length[0]);
    case OP_DELETE_REPARSE:
        return nt_delete_reparse(handle, call->blob[0], call->blob_length[0]);
    case OP_QUERY_STREAMS:
        return nt_query_streams(handle, answer);
    case OP_LOCK:
    case OP_UNLOCK:
        return nt_lock(handle, call, call->op == OP_UNLOCK);
    case OP_CONTROL:
        return nt_control(handle, call, answer);
    default:
        return ST_INVALID_PARAMETER;
    }
}

static bool needs_handle(uint32_t op)
{
    return (op >= OP_CLOSE && op <= OP_QUERY_STREAMS) || op == OP_LOCK || op == OP_UNLOCK || op == OP_CONTROL;
}

static status_t serve(const struct call *call, struct answer *answer)
{
    if (call->op == OP_SET_TOKEN)
        return set_token(call);
    if (call->op == OP_STOP_SERVICE)
        return service_stop_all() ? ST_SUCCESS : ST_NOT_SUPPORTED;
    status_t status;
    wch *text = wdup((const wch *)call->blob[0], call->blob_length[0] / sizeof(wch));
    if (call->op == OP_FIND_VOLUME) {
        struct volume *volume = text[0] != 0 ? volume_find(text) : volume_get(0);
        status = volume != NULL ? ST_SUCCESS : ST_OBJECT_NAME_NOT_FOUND;
        if (volume != NULL) {
            answer->r[0] = volume->id;
            volume_release(volume);
        }
    } else if (needs_handle(call->op)) {
        struct handle *handle = handle_get(call->handle);
        if (handle == NULL)
            status = ST_INVALID_HANDLE;
        else {
            bool ends = call->op == OP_CLOSE;
            if (!ends && handle->cleaned && call->op != OP_READ && call->op != OP_WRITE)
                status = ST_FILE_CLOSED;
            else if (!ends && !handle->volume->running)
                status = ST_VOLUME_DISMOUNTED;
            else
                status = on_handle(handle, call, text, answer);
            handle_release(handle);
        }
    } else {
        struct volume *volume = volume_get(call->volume_id);
        status = volume != NULL ? on_volume(volume, call, text, answer) : ST_VOLUME_DISMOUNTED;
        if (volume != NULL)
            volume_release(volume);
    }
    free(text);
    return status;
}

EXPORT int standin_transact(const uint8_t *in, int in_length, uint8_t *out, int out_capacity)
{
    struct call call;
    if (out_capacity < ANSWER_HEAD)
        return -1;
    struct answer answer = {.blob = out + ANSWER_HEAD, .capacity = (uint32_t)(out_capacity - ANSWER_HEAD)};
    answer.status = parse(in, in_length, &call) ? serve(&call, &answer) : ST_INVALID_PARAMETER;
    uint32_t size = ANSWER_HEAD + answer.blob_length;
    memset(out, 0, ANSWER_HEAD);
    memcpy(out, &size, 4);
    memcpy(out + 4, &answer.status, 4);
    memcpy(out + 8, &answer.handle, 8);
    memcpy(out + 16, answer.r, 24);
    memcpy(out + 40, answer.v, 32);
    memcpy(out + 72, &answer.info, 72);
    memcpy(out + 144, &answer.blob_length, 4);
    return (int)size;
}
