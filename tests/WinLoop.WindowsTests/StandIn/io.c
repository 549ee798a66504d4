/* Reading, writing, sizes and flushing, cached or not. */
#include "standin.h"

struct io_work {
    struct work work;
    struct handle *handle;
    uint8_t *buffer;
    uint64_t offset;
    uint32_t length, transferred;
    bool to_end, constrained, is_allocation;
    struct fsp_file_info info;
};

static status_t run_read(struct volume *volume, struct work *work)
{
    struct io_work *w = (struct io_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    guard_enter(volume, GUARD_NONE);
    status_t status = volume->table.read == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_READ, read, file, w->buffer, w->offset, w->length, &w->transferred);
    guard_leave(volume, GUARD_NONE);
    return status;
}

static status_t run_write(struct volume *volume, struct work *work)
{
    struct io_work *w = (struct io_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    guard_enter(volume, GUARD_NONE);
    status_t status = volume->table.write == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_WRITE, write, file, w->buffer, w->offset, w->length, w->to_end, w->constrained,
              &w->transferred, &w->info);
    guard_leave(volume, GUARD_NONE);
    return status;
}

/* The buffer is the request's own, because a request may be answered long after its caller gave up [ref 3.8]; it is
   then left to the file system for good. */
static void free_buffer(struct io_work *w, status_t status)
{
    if (status != ST_CANCELLED && status != ST_IO_TIMEOUT)
        free(w->buffer);
}

status_t issue_read(struct handle *handle, uint64_t offset, uint32_t length, uint8_t *buffer, uint32_t *transferred)
{
    struct io_work w = {.work = {.run = run_read, .kind = KIND_READ, .client = handle->client, .may_pend = true},
        .handle = handle, .offset = offset, .length = length, .buffer = malloc(length == 0 ? 1 : length)};
    status_t status = dispatch(handle->volume, &w.work);
    uint32_t count = w.work.responded ? w.work.response.information : w.transferred;
    if (status == ST_SUCCESS && count > length)
        status = ST_INTERNAL_ERROR;
    *transferred = status == ST_SUCCESS ? count : 0;
    memcpy(buffer, w.buffer, *transferred);
    free_buffer(&w, status);
    return status;
}

status_t issue_write(struct handle *handle, uint64_t offset, bool to_end, bool constrained, const uint8_t *data,
    uint32_t length, uint32_t *transferred, struct fsp_file_info *info)
{
    struct io_work w = {.work = {.run = run_write, .kind = KIND_WRITE, .client = handle->client, .may_pend = true},
        .handle = handle, .offset = to_end ? UINT64_MAX : offset, .length = length, .to_end = to_end,
        .constrained = constrained, .buffer = malloc(length == 0 ? 1 : length)};
    memcpy(w.buffer, data, length);
    status_t status = dispatch(handle->volume, &w.work);
    if (w.work.responded) {
        w.transferred = w.work.response.information;
        memcpy(&w.info, (uint8_t *)&w.work.response + 24, sizeof w.info); /* [ref 1.4]: FileInfo in the answer */
    }
    if (status == ST_SUCCESS && w.transferred > length)
        status = ST_INTERNAL_ERROR;
    *transferred = status == ST_SUCCESS ? w.transferred : 0;
    *info = w.info;
    free_buffer(&w, status);
    return status;
}

static status_t run_set_size(struct volume *volume, struct work *work)
{
    struct io_work *w = (struct io_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    return volume->table.set_file_size == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_SET_FILE_SIZE, set_file_size, file, w->offset, w->is_allocation, &w->info);
}

status_t issue_set_size(struct handle *handle, uint64_t size, bool is_allocation, struct fsp_file_info *info)
{
    struct io_work w = {.work = {.run = run_set_size, .kind = KIND_SET_INFORMATION, .client = handle->client},
        .handle = handle, .offset = size, .is_allocation = is_allocation};
    status_t status = dispatch(handle->volume, &w.work);
    if (status == ST_SUCCESS) {
        *info = w.info;
        node_set_info(handle->node, info);
    }
    return status;
}

static bool is_aligned(const struct handle *handle, uint64_t offset, uint32_t length)
{
    uint32_t sector = handle->volume->params.sector_size;
    return (handle->options & OPT_NO_INTERMEDIATE_BUFFERING) == 0 || (offset % sector == 0 && length % sector == 0);
}

status_t nt_read(struct handle *handle, uint64_t offset, uint32_t length, uint8_t *buffer, uint32_t *transferred)
{
    *transferred = 0;
    if ((handle->access & (ACC_READ_DATA | ACC_EXECUTE)) == 0)
        return ST_ACCESS_DENIED;
    if (handle->is_directory)
        return ST_INVALID_DEVICE_REQUEST;
    if (!is_aligned(handle, offset, length) || offset > INT64_MAX)
        return ST_INVALID_PARAMETER;
    if (length == 0)
        return ST_SUCCESS;
    if (lock_conflicts(handle, offset, length, false))
        return ST_FILE_LOCK_CONFLICT;
    if (!handle->cached) /* what the cache of the same name still holds goes out first */
        cache_flush(handle->node);
    gate_shared(&handle->node->io);
    status_t status;
    if (handle->cached) {
        atomic_fetch_add(&handle->volume->cached_reads, 1);
        status = cache_read(handle, offset, length, buffer, transferred);
    } else
        status = issue_read(handle, offset, length, buffer, transferred);
    gate_release_shared(&handle->node->io);
    if (status == ST_SUCCESS)
        handle->did_read = true;
    return status;
}

status_t nt_write(struct handle *handle, uint64_t offset, bool to_end, const uint8_t *data, uint32_t length,
    uint32_t *transferred, struct fsp_file_info *info)
{
    struct node *node = handle->node;
    *transferred = 0;
    if ((handle->access & (ACC_WRITE_DATA | ACC_APPEND_DATA)) == 0)
        return ST_ACCESS_DENIED;
    if ((handle->access & ACC_WRITE_DATA) == 0)
        to_end = true; /* FILE_APPEND_DATA alone writes at the end only */
    if (handle->is_directory)
        return ST_INVALID_DEVICE_REQUEST;
    if (!to_end && (offset > INT64_MAX || offset + length > INT64_MAX))
        return ST_INVALID_PARAMETER;
    if (!is_aligned(handle, to_end ? 0 : offset, length))
        return ST_INVALID_PARAMETER;
    if (length == 0)
        return ST_SUCCESS;
    if (!to_end && lock_conflicts(handle, offset, length, true))
        return ST_FILE_LOCK_CONFLICT;
    gate_exclusive(&node->io);
    status_t status;
    if (handle->cached) {
        atomic_fetch_add(&handle->volume->cached_writes, 1);
        status = cache_write(handle, to_end ? node->cached_size : offset, data, length);
        *transferred = status == ST_SUCCESS ? length : 0;
        if (status == ST_SUCCESS && (handle->options & OPT_WRITE_THROUGH) != 0)
            status = cache_flush(node);
        *info = node->info;
    } else {
        cache_flush(node);
        cache_purge(node);
        status = issue_write(handle, offset, to_end, false, data, length, transferred, info);
        if (status == ST_SUCCESS) {
            node_set_info(node, info);
            cache_set_size(node, info->file_size);
        }
    }
    handle->did_write |= status == ST_SUCCESS;
    gate_release_exclusive(&node->io);
    return status;
}

static status_t run_flush(struct volume *volume, struct work *work)
{
    struct io_work *w = (struct io_work *)work;
    struct fsp_full_context full;
    void *file = w->handle != NULL ? file_context(w->handle, &full) : NULL;
    enum guard_kind guard = w->handle == NULL ? GUARD_EXCLUSIVE : GUARD_NONE;
    status_t status;
    guard_enter(volume, guard);
    if (volume->table.flush != NULL)
        status = CALL(volume, SLOT_FLUSH, flush, file, &w->info);
    else if (w->handle != NULL && volume->table.get_file_info != NULL) /* [ref 3.1]: else GetFileInfo is used */
        status = CALL(volume, SLOT_GET_FILE_INFO, get_file_info, file, &w->info);
    else
        status = ST_SUCCESS;
    guard_leave(volume, guard);
    return status;
}

/* [ref 3.10]: every name in the table, then Flush(null). */
status_t nt_flush_volume(struct volume *volume, uint32_t client)
{
    status_t result = ST_SUCCESS;
    struct node **nodes = NULL;
    size_t count = 0;
    pthread_mutex_lock(&volume->mutex);
    for (int i = 0; i < NODE_BUCKETS; i++)
        for (struct node *node = volume->nodes[i]; node != NULL; node = node->next)
            if (node->dirty_pages > 0 || node->writes_in_flight > 0) {
                nodes = realloc(nodes, (count + 1) * sizeof *nodes);
                node->refs++;
                nodes[count++] = node;
            }
    pthread_mutex_unlock(&volume->mutex);
    for (size_t i = 0; i < count; i++) {
        status_t status = cache_flush(nodes[i]);
        cache_drop_keeper(nodes[i]);
        node_release(nodes[i]);
        if (status != ST_SUCCESS)
            result = status;
    }
    free(nodes);
    struct io_work w = {.work = {.run = run_flush, .kind = KIND_FLUSH_BUFFERS, .client = client}};
    status_t status = dispatch(volume, &w.work);
    return status != ST_SUCCESS ? status : result;
}

/* [ref 3.10]: a flush of the root directory is a flush of the volume. */
status_t nt_flush(struct handle *handle, struct fsp_file_info *info)
{
    if (handle->node->name[1] == 0)
        return nt_flush_volume(handle->volume, handle->client);
    if ((handle->access & (ACC_WRITE_DATA | ACC_APPEND_DATA)) == 0)
        return ST_ACCESS_DENIED;
    gate_exclusive(&handle->node->io);
    status_t cached = cache_flush(handle->node); /* [ref 3.1 Flush]: the driver flushes its cache first */
    struct io_work w = {.work = {.run = run_flush, .kind = KIND_FLUSH_BUFFERS, .client = handle->client},
        .handle = handle};
    status_t status = dispatch(handle->volume, &w.work);
    if (status == ST_SUCCESS) {
        *info = w.info;
        node_set_info(handle->node, info);
    }
    gate_release_exclusive(&handle->node->io);
    return status != ST_SUCCESS ? status : cached;
}

/* Byte-range locks are the driver's own; the file system never sees them. */
bool lock_conflicts(struct handle *handle, uint64_t offset, uint64_t length, bool for_write)
{
    bool conflict = false;
    pthread_mutex_lock(&handle->volume->mutex);
    for (struct byte_lock *lock = handle->node->locks; lock != NULL; lock = lock->next)
        if (offset < lock->offset + lock->length && lock->offset < offset + length
            && (for_write ? !lock->exclusive || lock->owner != handle : lock->exclusive && lock->owner != handle))
            conflict = true;
    pthread_mutex_unlock(&handle->volume->mutex);
    return conflict;
}

status_t nt_lock(struct handle *handle, const struct call *call, bool unlock)
{
    uint64_t offset = call->q[0], length = call->q[1];
    bool exclusive = call->a[0] != 0;
    status_t status = unlock ? ST_RANGE_NOT_LOCKED : ST_SUCCESS;
    if (handle->is_directory)
        return ST_INVALID_PARAMETER;
    pthread_mutex_lock(&handle->volume->mutex);
    if (unlock) {
        for (struct byte_lock **link = &handle->node->locks; *link != NULL; link = &(*link)->next) {
            struct byte_lock *lock = *link;
            if (lock->owner == handle && lock->offset == offset && lock->length == length && lock->key == call->a[1]) {
                *link = lock->next;
                free(lock);
                status = ST_SUCCESS;
                break;
            }
        }
    } else {
        for (struct byte_lock *lock = handle->node->locks; lock != NULL; lock = lock->next)
            if (offset < lock->offset + lock->length && lock->offset < offset + length
                && (exclusive || lock->exclusive))
                status = ST_LOCK_NOT_GRANTED;
        if (status == ST_SUCCESS) {
            struct byte_lock *lock = calloc(1, sizeof *lock);
            *lock = (struct byte_lock){handle->node->locks, handle, offset, length, call->a[1], exclusive};
            handle->node->locks = lock;
        }
    }
    pthread_mutex_unlock(&handle->volume->mutex);
    return status;
}

void locks_drop(struct handle *handle)
{
    pthread_mutex_lock(&handle->volume->mutex);
    for (struct byte_lock **link = &handle->node->locks; *link != NULL;) {
        struct byte_lock *lock = *link;
        if (lock->owner == handle) {
            *link = lock->next;
            free(lock);
        } else
            link = &lock->next;
    }
    pthread_mutex_unlock(&handle->volume->mutex);
}
