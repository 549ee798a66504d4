/* Information about open files and the volume: basic, sizes, security, label. */
#include "standin.h"

static status_t run_get_info(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.get_file_info == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_GET_FILE_INFO, get_file_info, file_context(w->handle, &full), &w->info);
}

/* [ref 3.3]: the driver answers from its own copy while FileInfoTimeout lasts. */
status_t nt_query_info(struct handle *handle, struct fsp_file_info *info)
{
    struct node *node = handle->node;
    pthread_mutex_lock(&node->volume->mutex);
    bool known = node->info_valid && (node->info_until == UINT64_MAX || now_ms() < node->info_until);
    *info = node->info;
    pthread_mutex_unlock(&node->volume->mutex);
    if (known)
        return ST_SUCCESS;
    struct file_work w = {.work = {.run = run_get_info, .kind = KIND_QUERY_INFORMATION, .client = handle->client},
        .handle = handle};
    gate_shared(&node->io);
    status_t status = dispatch(handle->volume, &w.work);
    if (status == ST_SUCCESS) {
        *info = w.info;
        node_set_info(node, info);
        pthread_mutex_lock(&node->cache_mutex);
        if (node->dirty_pages == 0 && node->writes_in_flight == 0)
            node->cached_size = info->file_size;
        pthread_mutex_unlock(&node->cache_mutex);
    }
    gate_release_shared(&node->io);
    return status;
}

static status_t run_set_basic(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.set_basic_info == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_SET_BASIC_INFO, set_basic_info, file_context(w->handle, &full), w->flags, w->times[0],
              w->times[1], w->times[2], w->times[3], &w->info);
}

/* [ref 3.1 SetBasicInfo]: the file system sees 0 = keep, INVALID_FILE_ATTRIBUTES = keep, NORMAL = clear. A program
   says 0 attributes = keep, time -1 = from now on leave this time alone. */
status_t nt_set_basic(struct handle *handle, const struct call *call, struct answer *answer)
{
    if ((handle->access & ACC_WRITE_ATTRIBUTES) == 0)
        return ST_ACCESS_DENIED;
    uint32_t attributes = call->a[0];
    if ((attributes & ATTR_DIRECTORY) != 0 && !handle->is_directory)
        return ST_INVALID_PARAMETER;
    struct file_work w = {.work = {.run = run_set_basic, .kind = KIND_SET_INFORMATION, .client = handle->client},
        .handle = handle};
    if (attributes == 0)
        w.flags = 0xFFFFFFFF;
    else {
        w.flags = attributes & (ATTR_SETTABLE | ATTR_NORMAL) & ~(uint32_t)ATTR_DIRECTORY;
        if ((w.flags & ~(uint32_t)ATTR_NORMAL) != 0)
            w.flags &= ~(uint32_t)ATTR_NORMAL;
        w.flags |= handle->is_directory ? ATTR_DIRECTORY : w.flags == 0 ? ATTR_NORMAL : 0;
    }
    bool *keeps[4] = {NULL, &handle->keeps_access_time, &handle->keeps_write_time, &handle->keeps_change_time};
    for (int i = 0; i < 4; i++) {
        int64_t time = (int64_t)call->q[i];
        if (time < -2)
            return ST_INVALID_PARAMETER;
        w.times[i] = time > 0 ? (uint64_t)time : 0;
        if (time != 0 && time != -2 && keeps[i] != NULL)
            *keeps[i] = true;
    }
    gate_exclusive(&handle->node->io);
    status_t status = dispatch(handle->volume, &w.work);
    if (status == ST_SUCCESS) {
        node_set_info(handle->node, &w.info);
        answer->info = w.info;
        handle->did_change = true;
    }
    gate_release_exclusive(&handle->node->io);
    return status;
}

status_t nt_set_size(struct handle *handle, uint64_t size, bool is_allocation, struct answer *answer)
{
    if ((handle->access & ACC_WRITE_DATA) == 0)
        return ST_ACCESS_DENIED;
    if (handle->is_directory || size > INT64_MAX)
        return ST_INVALID_PARAMETER;
    uint64_t unit = (uint64_t)handle->volume->params.sector_size * handle->volume->params.sectors_per_unit;
    if (is_allocation) /* [ref 3.1 SetFileSize]: aligned */
        size = (size + unit - 1) / unit * unit;
    gate_exclusive(&handle->node->io);
    status_t status = issue_set_size(handle, size, is_allocation, &answer->info);
    if (status == ST_SUCCESS) {
        cache_set_size(handle->node, answer->info.file_size);
        handle->did_resize = true;
    }
    gate_release_exclusive(&handle->node->io);
    return status;
}

static status_t run_get_security(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    if (volume->table.get_security == NULL)
        return ST_INVALID_DEVICE_REQUEST;
    void *file = file_context(w->handle, &full);
    size_t capacity = w->size = FIRST_SECURITY_SIZE;
    status_t status = CALL(volume, SLOT_GET_SECURITY, get_security, file, w->buffer, &w->size);
    if (status == ST_BUFFER_OVERFLOW && w->size > capacity && w->size <= REPLY_MAX) {
        capacity = w->size;
        status = CALL(volume, SLOT_GET_SECURITY, get_security, file, w->buffer, &w->size);
    }
    return status == ST_SUCCESS && w->size > capacity ? ST_INVALID_SECURITY_DESCR : status;
}

status_t nt_query_security(struct handle *handle, uint32_t information, struct answer *answer)
{
    if ((information & (SEC_OWNER | SEC_GROUP | SEC_DACL)) != 0 && (handle->access & ACC_READ_CONTROL) == 0)
        return ST_ACCESS_DENIED;
    if ((information & SEC_SACL) != 0 && (handle->access & ACC_SYSTEM_SECURITY) == 0)
        return ST_ACCESS_DENIED;
    if (answer->capacity < REPLY_MAX)
        return ST_BUFFER_TOO_SMALL;
    struct file_work w = {.work = {.run = run_get_security, .kind = KIND_QUERY_SECURITY, .client = handle->client},
        .handle = handle, .buffer = answer->blob};
    gate_shared(&handle->node->io);
    status_t status = dispatch(handle->volume, &w.work);
    gate_release_shared(&handle->node->io);
    if (status != ST_SUCCESS || w.size == 0)
        return status;
    if (!sd_valid(answer->blob, w.size))
        return ST_INVALID_SECURITY_DESCR;
    /* What was not asked for is left out, by merging into an empty descriptor. */
    static const uint8_t empty[20] = {1, 0, 0, 0x80};
    size_t size;
    uint8_t *reduced = sd_merge(empty, information, answer->blob, &size);
    if (size > answer->capacity)
        size = 0;
    memcpy(answer->blob, reduced, size);
    free(reduced);
    answer->blob_length = (uint32_t)size;
    return size == 0 ? ST_BUFFER_TOO_SMALL : ST_SUCCESS;
}

static status_t run_set_security(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.set_security == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_SET_SECURITY, set_security, file_context(w->handle, &full), w->flags, (void *)w->input);
}

status_t nt_set_security(struct handle *handle, uint32_t information, const uint8_t *sd, uint32_t length)
{
    uint32_t needed = (information & (SEC_OWNER | SEC_GROUP) ? ACC_WRITE_OWNER : 0)
        | (information & SEC_DACL ? ACC_WRITE_DAC : 0) | (information & SEC_SACL ? ACC_SYSTEM_SECURITY : 0);
    if ((handle->access & needed) != needed)
        return ST_ACCESS_DENIED;
    if (!volume_has(handle->volume, FLAG_PERSISTENT_ACLS))
        return ST_INVALID_DEVICE_REQUEST;
    if (!sd_valid(sd, length))
        return ST_INVALID_SECURITY_DESCR;
    struct file_work w = {.work = {.run = run_set_security, .kind = KIND_SET_SECURITY, .client = handle->client},
        .handle = handle, .flags = information, .input = sd};
    gate_exclusive(&handle->node->io);
    status_t status = dispatch(handle->volume, &w.work);
    gate_release_exclusive(&handle->node->io);
    if (status == ST_SUCCESS) {
        handle->did_change = true;
        pthread_mutex_lock(&handle->volume->mutex);
        handle->node->info_valid = false; /* a new descriptor may mean a new mode */
        pthread_mutex_unlock(&handle->volume->mutex);
    }
    return status;
}

struct volume_work {
    struct work work;
    wch *label;
    struct fsp_volume_info info;
};

static status_t run_get_volume(struct volume *volume, struct work *work)
{
    struct volume_work *w = (struct volume_work *)work;
    guard_enter(volume, GUARD_SHARED);
    status_t status = volume->table.get_volume_info == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_GET_VOLUME_INFO, get_volume_info, &w->info);
    guard_leave(volume, GUARD_SHARED);
    return status;
}

static status_t run_set_label(struct volume *volume, struct work *work)
{
    struct volume_work *w = (struct volume_work *)work;
    guard_enter(volume, GUARD_EXCLUSIVE);
    status_t status = volume->table.set_volume_label == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_SET_VOLUME_LABEL, set_volume_label, w->label, &w->info);
    guard_leave(volume, GUARD_EXCLUSIVE);
    return status;
}

static status_t answer_volume(struct volume *volume, const struct volume_work *w, struct answer *answer)
{
    if (w->info.label_bytes > sizeof w->info.label || w->info.label_bytes > answer->capacity)
        return ST_INTERNAL_ERROR;
    answer->v[0] = w->info.total_size;
    answer->v[1] = w->info.free_size;
    answer->v[2] = volume->params.creation_time;
    answer->r[0] = volume->params.serial_number;
    answer->r[1] = volume->params.sector_size;
    answer->r[2] = volume->params.sectors_per_unit;
    answer->r[3] = volume->params.flags;
    answer->r[4] = volume->params.file_info_timeout;
    answer->r[5] = w->info.label_bytes; /* the file system's name follows the label */
    memcpy(answer->blob, w->info.label, w->info.label_bytes);
    size_t name = 0;
    while (name < 16 && volume->params.file_system_name[name] != 0)
        name++;
    memcpy(answer->blob + w->info.label_bytes, volume->params.file_system_name, name * 2);
    answer->blob_length = w->info.label_bytes + (uint32_t)name * 2;
    return ST_SUCCESS;
}

status_t nt_query_volume(struct volume *volume, uint32_t client, struct answer *answer)
{
    struct volume_work w = {.work = {.run = run_get_volume, .kind = KIND_QUERY_VOLUME, .client = client}};
    status_t status = dispatch(volume, &w.work);
    return status == ST_SUCCESS ? answer_volume(volume, &w, answer) : status;
}

status_t nt_set_label(struct volume *volume, uint32_t client, const wch *label, struct answer *answer)
{
    if (volume_has(volume, FLAG_READ_ONLY_VOLUME))
        return ST_MEDIA_WRITE_PROTECTED;
    if (wlen(label) > 32) /* [ref 1.4 VolumeInfo] */
        return ST_INVALID_PARAMETER;
    struct volume_work w = {.work = {.run = run_set_label, .kind = KIND_SET_VOLUME, .client = client},
        .label = wdup(label, wlen(label))};
    status_t status = dispatch(volume, &w.work);
    free(w.label);
    return status == ST_SUCCESS ? answer_volume(volume, &w, answer) : status;
}
