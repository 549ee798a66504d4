/* Directory queries and the helpers that fill their buffers. */
#include "standin.h"

#define DIR_HEAD sizeof(struct fsp_dir_info)

/* [ref 1.4]: entries 8-aligned; the end is an entry of size 0, 2 bytes. */
static bool add_sized(const void *entry, uint16_t size, void *buffer, uint32_t length, uint32_t *transferred)
{
    static const uint8_t end[2];
    if (entry == NULL) {
        entry = end;
        size = sizeof end;
    }
    uint32_t aligned = size == 2 ? 2 : (size + 7u) & ~7u;
    if (*transferred > length || aligned > length - *transferred)
        return false;
    memcpy((uint8_t *)buffer + *transferred, entry, size);
    *transferred += aligned;
    return true;
}

EXPORT boolean8 FspFileSystemAddDirInfo(
    struct fsp_dir_info *info, void *buffer, uint32_t length, uint32_t *transferred)
{
    return add_sized(info, info != NULL ? info->size : 0, buffer, length, transferred);
}

EXPORT boolean8 FspFileSystemAddStreamInfo(
    struct fsp_stream_info *info, void *buffer, uint32_t length, uint32_t *transferred)
{
    return add_sized(info, info != NULL ? info->size : 0, buffer, length, transferred);
}

EXPORT boolean8 FspFileSystemAddNotifyInfo(
    struct fsp_notify_info *info, void *buffer, uint32_t length, uint32_t *transferred)
{
    if (info == NULL)
        return false;
    return add_sized(info, info->size, buffer, length, transferred);
}

/* A directory buffer: all entries of one listing, sorted by name. */
struct dir_buffer {
    pthread_mutex_t mutex;
    bool filled;
    struct fsp_dir_info **entries;
    size_t count, capacity;
};
static pthread_mutex_t buffers_mutex = PTHREAD_MUTEX_INITIALIZER;

static void buffer_clear(struct dir_buffer *buffer)
{
    for (size_t i = 0; i < buffer->count; i++)
        free(buffer->entries[i]);
    buffer->count = 0;
    buffer->filled = false;
}

static size_t dir_name_length(const struct fsp_dir_info *info)
{
    return (info->size - DIR_HEAD) / sizeof(wch);
}

static int compare_names(const wch *left, size_t left_length, const wch *right, size_t right_length)
{
    for (size_t i = 0; i < left_length && i < right_length; i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return left_length == right_length ? 0 : left_length < right_length ? -1 : 1;
}

static int compare_entries(const void *left, const void *right)
{
    const struct fsp_dir_info *l = *(struct fsp_dir_info *const *)left, *r = *(struct fsp_dir_info *const *)right;
    return compare_names(l->name, dir_name_length(l), r->name, dir_name_length(r));
}

/* True: the caller fills the buffer and then releases it; false: it is filled already, or there was an error. */
EXPORT boolean8 FspFileSystemAcquireDirectoryBuffer(void **slot, boolean8 reset, status_t *result)
{
    pthread_mutex_lock(&buffers_mutex);
    struct dir_buffer *buffer = *slot;
    if (buffer == NULL) {
        buffer = calloc(1, sizeof *buffer);
        pthread_mutex_init(&buffer->mutex, NULL);
        *slot = buffer;
    }
    pthread_mutex_unlock(&buffers_mutex);
    if (result != NULL)
        *result = ST_SUCCESS;
    pthread_mutex_lock(&buffer->mutex);
    if (reset || !buffer->filled) {
        buffer_clear(buffer);
        return true;
    }
    pthread_mutex_unlock(&buffer->mutex);
    return false;
}

EXPORT boolean8 FspFileSystemFillDirectoryBuffer(void **slot, struct fsp_dir_info *info, status_t *result)
{
    struct dir_buffer *buffer = *slot;
    if (info == NULL || info->size < DIR_HEAD) {
        if (result != NULL)
            *result = ST_INVALID_PARAMETER;
        return false;
    }
    if (buffer->count == buffer->capacity) {
        buffer->capacity = buffer->capacity == 0 ? 64 : buffer->capacity * 2;
        buffer->entries = realloc(buffer->entries, buffer->capacity * sizeof *buffer->entries);
    }
    struct fsp_dir_info *copy = malloc((info->size + 7u) & ~7u);
    memcpy(copy, info, info->size);
    buffer->entries[buffer->count++] = copy;
    if (result != NULL)
        *result = ST_SUCCESS;
    return true;
}

EXPORT void FspFileSystemReleaseDirectoryBuffer(void **slot)
{
    struct dir_buffer *buffer = *slot;
    if (buffer->count > 1)
        qsort(buffer->entries, buffer->count, sizeof *buffer->entries, compare_entries);
    buffer->filled = true;
    pthread_mutex_unlock(&buffer->mutex);
}

EXPORT void FspFileSystemReadDirectoryBuffer(
    void **slot, wch *marker, void *out, uint32_t length, uint32_t *transferred)
{
    struct dir_buffer *buffer = *slot;
    if (buffer != NULL) {
        pthread_mutex_lock(&buffer->mutex);
        size_t i = 0; /* [ref 4.11]: the marker is exclusive and may be gone */
        while (marker != NULL && i < buffer->count
            && compare_names(buffer->entries[i]->name, dir_name_length(buffer->entries[i]), marker, wlen(marker)) <= 0)
            i++;
        bool room = true;
        for (; i < buffer->count && room; i++)
            room = FspFileSystemAddDirInfo(buffer->entries[i], out, length, transferred);
        pthread_mutex_unlock(&buffer->mutex);
        if (!room)
            return;
    }
    FspFileSystemAddDirInfo(NULL, out, length, transferred);
}

EXPORT void FspFileSystemDeleteDirectoryBuffer(void **slot)
{
    struct dir_buffer *buffer = *slot;
    if (buffer == NULL)
        return;
    buffer_clear(buffer);
    free(buffer->entries);
    pthread_mutex_destroy(&buffer->mutex);
    free(buffer);
    *slot = NULL;
}

static status_t run_read_directory(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    guard_enter(volume, GUARD_SHARED);
    status_t status = volume->table.read_directory == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_READ_DIRECTORY, read_directory, file_context(w->handle, &full), w->name, w->second_name,
              w->buffer, w->length, &w->transferred);
    guard_leave(volume, GUARD_SHARED);
    return status;
}

/* [ref 3.1 GetDirInfoByName]: NOT_FOUND is an empty result. */
static status_t run_single_name(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    struct fsp_dir_info *info = calloc(1, DIR_HEAD + 256 * sizeof(wch));
    guard_enter(volume, GUARD_SHARED);
    status_t status = CALL(volume, SLOT_GET_DIR_INFO_BY_NAME, get_dir_info_by_name, file_context(w->handle, &full),
        w->name, info);
    guard_leave(volume, GUARD_SHARED);
    if (status == ST_SUCCESS && (info->size < DIR_HEAD || info->size > DIR_HEAD + 255 * sizeof(wch)))
        status = ST_INTERNAL_ERROR;
    if (status == ST_SUCCESS)
        FspFileSystemAddDirInfo(info, w->buffer, w->length, &w->transferred);
    free(info);
    if (status == ST_OBJECT_NAME_NOT_FOUND)
        status = ST_SUCCESS;
    if (status == ST_SUCCESS)
        FspFileSystemAddDirInfo(NULL, w->buffer, w->length, &w->transferred);
    return status;
}

static status_t fetch(struct handle *handle, uint8_t *buffer, uint32_t length, uint32_t *transferred)
{
    struct volume *volume = handle->volume;
    bool has_pattern = handle->pattern != NULL && !(handle->pattern[0] == '*' && handle->pattern[1] == 0);
    bool single = has_pattern && volume_has(volume, FLAG_PASS_QUERY_DIRECTORY_FILE_NAME)
        && volume->table.get_dir_info_by_name != NULL && !has_wildcards(handle->pattern);
    struct file_work w = {.work = {.run = single ? run_single_name : run_read_directory,
            .kind = KIND_QUERY_DIRECTORY, .client = handle->client, .may_pend = !single},
        .handle = handle, .buffer = malloc(length), .length = length};
    /* The strings are copies: a late answer must not find them changed. */
    if (single || (has_pattern && volume_has(volume, FLAG_PASS_QUERY_DIRECTORY_PATTERN)))
        w.name = wdup(handle->pattern, wlen(handle->pattern));
    if (handle->marker != NULL && !single)
        w.second_name = wdup(handle->marker, wlen(handle->marker));
    status_t status = dispatch(volume, &w.work);
    *transferred = w.work.responded ? w.work.response.information : w.transferred;
    if (status == ST_SUCCESS && *transferred > length)
        status = ST_INTERNAL_ERROR;
    if (status == ST_SUCCESS)
        memcpy(buffer, w.buffer, *transferred);
    if (status != ST_CANCELLED && status != ST_IO_TIMEOUT) {
        free(w.buffer);
        free(w.name);
        free(w.second_name);
    }
    return status;
}

/* Copies entries that match to the caller. Returns what remains to be done: 0 fetch more, 1 the caller has enough,
   2 the end, -1 malformed. */
static int take_entries(struct handle *handle, const uint8_t *buffer, uint32_t filled, bool one, uint32_t limit,
    struct answer *answer)
{
    bool fold_case = !volume_has(handle->volume, FLAG_CASE_SENSITIVE_SEARCH);
    for (uint32_t at = 0; at + 2 <= filled;) {
        const struct fsp_dir_info *info = (const struct fsp_dir_info *)(buffer + at);
        if (info->size == 0)
            return 2;
        if (info->size < DIR_HEAD || info->size % 2 != 0 || at + info->size > filled || dir_name_length(info) > 255)
            return -1;
        size_t length = dir_name_length(info);
        /* [ref 3.1 ReadDirectory]: the pattern may be ignored, the driver filters. */
        bool matches = handle->pattern == NULL
            || name_matches(handle->pattern, wlen(handle->pattern), info->name, length, fold_case);
        uint32_t aligned = (info->size + 7u) & ~7u;
        if (matches) {
            if (answer->blob_length + aligned > limit)
                return 1;
            memset(answer->blob + answer->blob_length, 0, aligned);
            memcpy(answer->blob + answer->blob_length, info, info->size);
            answer->blob_length += aligned;
            answer->r[0]++;
        }
        free(handle->marker); /* [ref 3.1]: the next call continues behind this NAME */
        handle->marker = wdup(info->name, length);
        if (matches && one)
            return 1;
        at += aligned;
    }
    return filled == 0 ? 2 : 0;
}

/* a[0]: 1 restart, 2 single entry; a[1]: the caller's buffer in bytes. The pattern counts at the first query and at a
   restart. */
status_t nt_query_directory(struct handle *handle, const struct call *call, const wch *pattern, struct answer *answer)
{
    if (!handle->is_directory)
        return ST_INVALID_PARAMETER;
    if ((handle->access & ACC_LIST_DIRECTORY) == 0)
        return ST_ACCESS_DENIED;
    uint32_t limit = call->a[1] == 0 || call->a[1] > answer->capacity ? answer->capacity : call->a[1];
    uint32_t length = limit > DIRECTORY_BUFFER_MAX ? DIRECTORY_BUFFER_MAX : limit < 1024 ? 1024 : limit & ~7u;
    /* [ref 3.1, 3.3]: with the listing cache the driver asks for as much as it can keep. */
    uint32_t timeout = handle->volume->params.dir_info_timeout;
    if (timeout != 0 || handle->volume->params.file_info_timeout != 0)
        length = DIRECTORY_BUFFER_MAX;
    if (call->a[2] != 0) /* a test's own choice of the file system's buffer */
        length = call->a[2] > DIRECTORY_BUFFER_MAX ? DIRECTORY_BUFFER_MAX : call->a[2];
    gate_exclusive(&handle->node->io);
    bool first = !handle->listing_started || (call->a[0] & 1) != 0;
    if (first) {
        free(handle->pattern);
        free(handle->marker);
        handle->marker = handle->pattern = NULL;
        if (pattern != NULL && pattern[0] != 0)
            handle->pattern = wdup(pattern, wlen(pattern));
        handle->listing_started = true;
        handle->listing_ended = false;
    }
    uint8_t *buffer = malloc(length);
    status_t status = ST_SUCCESS;
    int state = handle->listing_ended ? 2 : 0;
    while (status == ST_SUCCESS && state == 0) {
        uint32_t filled = 0;
        status = fetch(handle, buffer, length, &filled);
        if (status == ST_SUCCESS)
            state = take_entries(handle, buffer, filled, (call->a[0] & 2) != 0, limit, answer);
        if (status == ST_SUCCESS && state == 0 && answer->r[0] > 0)
            break; /* one round for one query, unless nothing matched */
    }
    free(buffer);
    if (state == -1)
        status = ST_INTERNAL_ERROR;
    if (state == 2)
        handle->listing_ended = true;
    if (status == ST_SUCCESS && answer->r[0] == 0)
        status = state == 1 ? ST_BUFFER_OVERFLOW : first ? ST_NO_SUCH_FILE : ST_NO_MORE_FILES;
    if (first && status != ST_SUCCESS && status != ST_BUFFER_OVERFLOW)
        handle->listing_started = false;
    gate_release_exclusive(&handle->node->io);
    return status;
}
