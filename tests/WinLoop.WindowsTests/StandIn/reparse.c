/* Reparse points: the helpers that file systems call to follow links, and the operations of programs. [ref 3.4] */
#include "standin.h"

#define TRIES_MAX 32

static uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static uint16_t get16(const uint8_t *p) { uint16_t v; memcpy(&v, p, 2); return v; }

/* [ref 3.1 GetSecurityByName]: a link before the last component; its index is where its component begins. */
EXPORT boolean8 FspFileSystemFindReparsePoint(
    struct volume *volume, get_reparse_point_by_name get, void *context, wch *file_name, uint32_t *index)
{
    wch *name = wdup(file_name, wlen(file_name));
    bool found = false;
    for (size_t start = 1; name[start] != 0 && !found;) {
        size_t end = start;
        while (name[end] != 0 && name[end] != '\\')
            end++;
        if (name[end] == 0)
            break; /* the last component is not looked at */
        name[end] = 0;
        found = get(volume, context, name, true, NULL, NULL) == ST_SUCCESS;
        name[end] = '\\';
        if (found && index != NULL)
            *index = (uint32_t)start;
        start = end + 1;
    }
    free(name);
    return found;
}

/* Takes the next component of rest; "." and ".." are done here. Returns false at the end. */
static bool next_component(wch *done, const wch **rest, size_t *added)
{
    const wch *from = *rest;
    while (*from == '\\')
        from++;
    if (*from == 0)
        return false;
    const wch *end = from;
    while (*end != 0 && *end != '\\')
        end++;
    *rest = end;
    *added = 0;
    size_t length = (size_t)(end - from), at = wlen(done);
    if (length == 1 && from[0] == '.')
        return true;
    if (length == 2 && from[0] == '.' && from[1] == '.') {
        while (at > 0 && done[at - 1] != '\\')
            at--;
        done[at > 0 ? at - 1 : 0] = 0; /* above the root stays the root */
        return true;
    }
    done[at] = '\\';
    memcpy(done + at + 1, from, length * sizeof(wch));
    done[at + 1 + length] = 0;
    *added = length + 1;
    return true;
}

/* [ref 3.4]: follows links from index on. A target with SYMLINK_FLAG_RELATIVE is relative to the link's directory, or
   from the volume's root if it begins with a backslash; any other target, and any other tag, is handed back as it is. */
EXPORT status_t FspFileSystemResolveReparsePoints(struct volume *volume, get_reparse_point_by_name get, void *context,
    wch *file_name, uint32_t index, boolean8 resolve_last, struct fsp_io_status *result, void *buffer, size_t *size)
{
    enum { ROOM = 4 * (PATH_UNITS_MAX + 1) };
    wch *done = calloc(ROOM * 2, sizeof(wch)), *todo = calloc(ROOM, sizeof(wch));
    uint8_t *data = malloc(REPLY_MAX);
    status_t status = ST_REPARSE_POINT_NOT_RESOLVED;
    size_t given = wlen(file_name);
    if (given > PATH_UNITS_MAX || index > given)
        goto out;
    if (index > 1)
        memcpy(done, file_name, (index - 1) * sizeof(wch)); /* up to the separator before the link */
    memcpy(todo, file_name + (index > 0 ? index - 1 : 0), (given - (index > 0 ? index - 1 : 0)) * sizeof(wch));
    const wch *rest = todo;
    int tries = 0;
    size_t added;
    while (next_component(done, &rest, &added)) {
        if (added == 0)
            continue;
        if (wlen(done) > PATH_UNITS_MAX)
            goto out;
        bool last = *rest == 0 || (rest[0] == '\\' && rest[1] == 0);
        if (last && !resolve_last)
            continue;
        size_t data_size = REPLY_MAX;
        status_t got = get(volume, context, done, !last, data, &data_size);
        if (got == ST_NOT_A_REPARSE_POINT)
            continue;
        if (got == ST_OBJECT_NAME_NOT_FOUND) {
            if (last)
                continue;
            got = ST_OBJECT_PATH_NOT_FOUND;
        }
        if (got != ST_SUCCESS) {
            status = got;
            goto out;
        }
        if (data_size < 8 || 8u + get16(data + 4) > data_size) {
            status = ST_IO_REPARSE_DATA_INVALID;
            goto out;
        }
        uint32_t tag = get32(data);
        if (tag == TAG_SYMLINK && (data_size < 20 || 20u + get16(data + 8) + get16(data + 10) > data_size)) {
            status = ST_IO_REPARSE_DATA_INVALID;
            goto out;
        }
        if (tag != TAG_SYMLINK || (get32(data + 16) & SYMLINK_FLAG_RELATIVE) == 0) {
            uint16_t unparsed = (uint16_t)(wlen(rest) * sizeof(wch));
            memcpy(data + 6, &unparsed, 2); /* the length of what was not looked at */
            if (data_size > *size)
                status = ST_BUFFER_TOO_SMALL;
            else {
                memcpy(buffer, data, data_size);
                *size = data_size;
                result->pointer = NULL;
                result->status = status = ST_REPARSE;
                result->information = tag;
            }
            goto out;
        }
        if (++tries > TRIES_MAX)
            goto out; /* [ref 3.4]: a loop is STATUS_REPARSE_POINT_NOT_RESOLVED */
        const wch *target = (const wch *)(data + 20 + get16(data + 8));
        size_t length = get16(data + 10) / sizeof(wch), left = wlen(rest);
        if (length == 0 || length + left + 2 > ROOM)
            goto out;
        done[wlen(done) - added] = 0;
        if (target[0] == '\\')
            done[0] = 0;
        memmove(todo + length, rest, (left + 1) * sizeof(wch)); /* rest begins with its separator or is empty */
        memcpy(todo, target, length * sizeof(wch));
        rest = todo;
    }
    if (done[0] == 0)
        done[0] = '\\';
    if (wlen(done) > PATH_UNITS_MAX)
        status = ST_OBJECT_NAME_INVALID;
    else if ((wlen(done)) * sizeof(wch) > *size)
        status = ST_BUFFER_TOO_SMALL;
    else {
        memcpy(buffer, done, wlen(done) * sizeof(wch));
        *size = wlen(done) * sizeof(wch);
        result->pointer = NULL;
        result->status = status = ST_REPARSE;
        result->information = 0; /* IO_REPARSE: a new name on this volume */
    }
out:
    free(done);
    free(todo);
    free(data);
    return status;
}

/* Windows' rule: the tag must be the same, and for tags of other vendors the GUID too. */
EXPORT status_t FspFileSystemCanReplaceReparsePoint(
    void *current, size_t current_size, void *replacement, size_t replacement_size)
{
    if (current_size < 8 || replacement_size < 8)
        return ST_IO_REPARSE_DATA_INVALID;
    if (get32(current) != get32(replacement))
        return ST_IO_REPARSE_TAG_MISMATCH;
    if ((get32(current) & 0x80000000u) == 0
        && (current_size < 24 || replacement_size < 24
            || memcmp((uint8_t *)current + 8, (uint8_t *)replacement + 8, 16) != 0))
        return ST_IO_REPARSE_TAG_MISMATCH;
    return ST_SUCCESS;
}

static status_t run_get_reparse(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.get_reparse_point == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_GET_REPARSE_POINT, get_reparse_point, file_context(w->handle, &full), w->name, w->buffer,
              &w->size);
}

static status_t run_change_reparse(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    if (w->flags != 0)
        return volume->table.delete_reparse_point == NULL
            ? ST_INVALID_DEVICE_REQUEST
            : CALL(volume, SLOT_DELETE_REPARSE_POINT, delete_reparse_point, file, w->name, (void *)w->input, w->size);
    return volume->table.set_reparse_point == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_SET_REPARSE_POINT, set_reparse_point, file, w->name, (void *)w->input, w->size);
}

status_t nt_get_reparse(struct handle *handle, struct answer *answer)
{
    if (!volume_has(handle->volume, FLAG_REPARSE_POINTS))
        return ST_INVALID_DEVICE_REQUEST;
    if (answer->capacity < REPLY_MAX)
        return ST_BUFFER_TOO_SMALL;
    struct file_work w = {.work = {.run = run_get_reparse, .kind = KIND_FILE_SYSTEM_CONTROL,
            .client = handle->client}, .handle = handle, .buffer = answer->blob, .size = REPLY_MAX};
    gate_shared(&handle->volume->renames);
    w.name = wdup(handle->node->name, wlen(handle->node->name));
    gate_shared(&handle->node->io);
    status_t status = dispatch(handle->volume, &w.work);
    gate_release_shared(&handle->node->io);
    gate_release_shared(&handle->volume->renames);
    free(w.name);
    if (status == ST_SUCCESS && (w.size < 8 || w.size > REPLY_MAX))
        status = ST_IO_REPARSE_DATA_INVALID;
    if (status == ST_SUCCESS)
        answer->blob_length = (uint32_t)w.size;
    return status;
}

/* What the kernel checks of the data before a file system sees it. */
static status_t check_data(const uint8_t *data, uint32_t length, bool deletes)
{
    if (length < 8 || length > REPLY_MAX)
        return ST_IO_REPARSE_DATA_INVALID;
    uint32_t tag = get32(data), head = (tag & 0x80000000u) != 0 ? 8 : 24;
    if (tag <= 1 || head + get16(data + 4) != length)
        return ST_IO_REPARSE_DATA_INVALID;
    if (deletes) /* the tag alone, without data */
        return length == head ? ST_SUCCESS : ST_IO_REPARSE_DATA_INVALID;
    if (tag == TAG_SYMLINK
        && (length < 20 || 20u + get16(data + 8) + get16(data + 10) > length
            || 20u + get16(data + 12) + get16(data + 14) > length))
        return ST_IO_REPARSE_DATA_INVALID;
    return ST_SUCCESS;
}

static status_t change_reparse(struct handle *handle, const uint8_t *data, uint32_t length, bool deletes)
{
    struct volume *volume = handle->volume;
    if (!volume_has(volume, FLAG_REPARSE_POINTS))
        return ST_INVALID_DEVICE_REQUEST;
    if ((handle->access & (ACC_WRITE_DATA | ACC_WRITE_ATTRIBUTES)) == 0)
        return ST_ACCESS_DENIED;
    if (volume_has(volume, FLAG_READ_ONLY_VOLUME))
        return ST_MEDIA_WRITE_PROTECTED;
    status_t status = check_data(data, length, deletes);
    if (status != ST_SUCCESS)
        return status;
    struct token token;
    /* [ref 3.2 ReparsePointsAccessCheck]: with the flag a link needs the privilege. */
    if (!deletes && volume_has(volume, FLAG_REPARSE_POINTS_ACCESS_CHECK) && get32(data) == TAG_SYMLINK
        && (token_for(handle->client, &token)->privileges & PRIV_CREATE_SYMBOLIC_LINK) == 0)
        return ST_PRIVILEGE_NOT_HELD;
    struct file_work w = {.work = {.run = run_change_reparse, .kind = KIND_FILE_SYSTEM_CONTROL,
            .client = handle->client}, .handle = handle, .input = data, .size = length, .flags = deletes};
    gate_shared(&volume->renames);
    w.name = wdup(handle->node->name, wlen(handle->node->name));
    gate_exclusive(&handle->node->io);
    status = dispatch(volume, &w.work);
    if (status == ST_SUCCESS) {
        pthread_mutex_lock(&volume->mutex);
        handle->node->info_valid = false;
        pthread_mutex_unlock(&volume->mutex);
        handle->did_change = true;
    }
    gate_release_exclusive(&handle->node->io);
    gate_release_shared(&volume->renames);
    free(w.name);
    return status;
}

status_t nt_set_reparse(struct handle *handle, const uint8_t *data, uint32_t length)
{
    return change_reparse(handle, data, length, false);
}

status_t nt_delete_reparse(struct handle *handle, const uint8_t *data, uint32_t length)
{
    return change_reparse(handle, data, length, true);
}
