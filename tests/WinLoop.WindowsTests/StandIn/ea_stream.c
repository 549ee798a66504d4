/* Extended attributes, streams and device control. */
#include "standin.h"

/* FILE_FULL_EA_INFORMATION: next u32, flags u8, name length u8, value length u16, name, NUL, value; 4-aligned. */
static uint32_t ea_next(const uint8_t *ea) { uint32_t v; memcpy(&v, ea, 4); return v; }
static uint32_t ea_size(const uint8_t *ea) { uint16_t v; memcpy(&v, ea + 6, 2); return 9u + ea[5] + v; }

EXPORT boolean8 FspFileSystemAddEa(uint8_t *ea, uint8_t *list, uint32_t length, uint32_t *transferred)
{
    if (ea == NULL) { /* the end: the last entry has no next one */
        uint32_t at = 0, next;
        if (*transferred == 0)
            return true;
        while ((next = ea_next(list + at)) != 0 && at + next < *transferred)
            at += next;
        memset(list + at, 0, 4);
        return true;
    }
    uint32_t size = ea_size(ea), aligned = (size + 3) & ~3u;
    if (*transferred > length || size > length - *transferred)
        return false;
    memcpy(list + *transferred, ea, size);
    memcpy(list + *transferred, &aligned, 4);
    *transferred += aligned <= length - *transferred ? aligned : size;
    return true;
}

static bool name_is_legal(const uint8_t *name, uint8_t length)
{
    for (int i = 0; i < length; i++)
        if (name[i] < 0x20 || strchr("\"*+,/:;<=>?[\\]|", name[i]) != NULL)
            return false;
    return length > 0;
}

/* [ref 3.5]: names are upper-cased unless CasePreservedExtendedAttributes; a broken list is inconsistent. */
status_t ea_prepare(struct volume *volume, const uint8_t *list, uint32_t length, uint8_t **prepared)
{
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, list, length);
    *prepared = NULL;
    for (uint32_t at = 0;;) {
        uint32_t next;
        if (at + 9 > length || at + ea_size(copy + at) > length || copy[at + 8 + copy[at + 5]] != 0)
            break;
        if (!name_is_legal(copy + at + 8, copy[at + 5])) {
            free(copy);
            return ST_INVALID_EA_NAME;
        }
        for (int i = 0; i < copy[at + 5] && !volume_has(volume, FLAG_CASE_PRESERVED_EXTENDED_ATTRIBUTES); i++) {
            uint8_t *c = copy + at + 8 + i;
            *c = *c >= 'a' && *c <= 'z' ? (uint8_t)(*c - 32) : *c;
        }
        next = ea_next(copy + at);
        if (next == 0) {
            *prepared = copy;
            return ST_SUCCESS;
        }
        if (next < ea_size(copy + at) || next % 4 != 0 || next > length - at)
            break;
        at += next;
    }
    free(copy);
    return ST_EA_LIST_INCONSISTENT;
}

static status_t run_get_ea(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.get_ea == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_GET_EA, get_ea, file_context(w->handle, &full), w->buffer, w->length, &w->transferred);
}

status_t nt_query_ea(struct handle *handle, struct answer *answer)
{
    if (!volume_has(handle->volume, FLAG_EXTENDED_ATTRIBUTES))
        return ST_EAS_NOT_SUPPORTED;
    if ((handle->access & ACC_READ_EA) == 0)
        return ST_ACCESS_DENIED;
    if (answer->capacity < REPLY_MAX)
        return ST_BUFFER_TOO_SMALL;
    struct file_work w = {.work = {.run = run_get_ea, .kind = KIND_QUERY_EA, .client = handle->client},
        .handle = handle, .buffer = answer->blob, .length = REPLY_MAX};
    gate_shared(&handle->node->io);
    status_t status = dispatch(handle->volume, &w.work);
    gate_release_shared(&handle->node->io);
    if (status == ST_SUCCESS && w.transferred > REPLY_MAX)
        status = ST_INTERNAL_ERROR;
    if (status == ST_SUCCESS)
        answer->blob_length = w.transferred;
    /* [ref 3.1 GetEa] */
    return status == ST_BUFFER_OVERFLOW ? ST_EA_LIST_INCONSISTENT : status;
}

static status_t run_set_ea(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.set_ea == NULL ? ST_INVALID_DEVICE_REQUEST
                                        : CALL(volume, SLOT_SET_EA, set_ea, file_context(w->handle, &full),
                                              (void *)w->input, w->input_length, &w->info);
}

status_t nt_set_ea(struct handle *handle, const uint8_t *list, uint32_t length, struct answer *answer)
{
    if (!volume_has(handle->volume, FLAG_EXTENDED_ATTRIBUTES))
        return ST_EAS_NOT_SUPPORTED;
    if ((handle->access & ACC_WRITE_EA) == 0)
        return ST_ACCESS_DENIED;
    uint8_t *prepared;
    status_t status = ea_prepare(handle->volume, list, length, &prepared);
    if (status != ST_SUCCESS)
        return status;
    struct file_work w = {.work = {.run = run_set_ea, .kind = KIND_SET_EA, .client = handle->client},
        .handle = handle, .input = prepared, .input_length = length};
    gate_exclusive(&handle->node->io);
    status = dispatch(handle->volume, &w.work);
    if (status == ST_SUCCESS) {
        node_set_info(handle->node, &w.info);
        answer->info = w.info;
        handle->did_change = true;
    }
    gate_release_exclusive(&handle->node->io);
    free(prepared);
    return status;
}

static status_t run_streams(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return volume->table.get_stream_info == NULL
        ? ST_INVALID_DEVICE_REQUEST
        : CALL(volume, SLOT_GET_STREAM_INFO, get_stream_info, file_context(w->handle, &full), w->buffer, w->length,
              &w->transferred);
}

/* [ref 3.1 GetStreamInfo]: only with NamedStreams. */
status_t nt_query_streams(struct handle *handle, struct answer *answer)
{
    if (!volume_has(handle->volume, FLAG_NAMED_STREAMS))
        return ST_INVALID_PARAMETER;
    uint32_t length = answer->capacity > REPLY_MAX ? REPLY_MAX : answer->capacity;
    struct file_work w = {.work = {.run = run_streams, .kind = KIND_QUERY_STREAMS, .client = handle->client},
        .handle = handle, .buffer = malloc(length), .length = length};
    gate_shared(&handle->node->io);
    status_t status = dispatch(handle->volume, &w.work);
    gate_release_shared(&handle->node->io);
    if (w.transferred > length)
        status = ST_INTERNAL_ERROR;
    for (uint32_t at = 0; status == ST_SUCCESS && at + 2 <= w.transferred;) {
        const struct fsp_stream_info *info = (const struct fsp_stream_info *)(w.buffer + at);
        if (info->size == 0)
            break;
        if (info->size < sizeof *info || at + info->size > w.transferred) {
            status = ST_INTERNAL_ERROR;
            break;
        }
        memset(answer->blob + at, 0, (info->size + 7u) & ~7u);
        memcpy(answer->blob + at, info, info->size);
        at += (info->size + 7u) & ~7u;
        answer->blob_length = at;
        answer->r[0]++;
    }
    free(w.buffer);
    return status;
}

static status_t run_control(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    return CALL(volume, SLOT_CONTROL, control, file_context(w->handle, &full), w->flags, (void *)w->input,
        w->input_length, w->buffer, w->length, &w->transferred);
}

/* [ref 3.1 Control]: device type with bit 8000h, METHOD_BUFFERED, at most 4 KiB, DeviceControl flag. */
status_t nt_control(struct handle *handle, const struct call *call, struct answer *answer)
{
    uint32_t code = call->a[0], room = call->a[1] > answer->capacity ? answer->capacity : call->a[1];
    if (!volume_has(handle->volume, FLAG_DEVICE_CONTROL) || handle->volume->table.control == NULL
        || (code >> 16 & 0x8000) == 0 || (code & 3) != 0)
        return ST_INVALID_DEVICE_REQUEST;
    if (call->blob_length[0] > 4096 || room > 4096)
        return ST_INVALID_PARAMETER;
    struct file_work w = {.work = {.run = run_control, .kind = KIND_DEVICE_CONTROL, .client = handle->client},
        .handle = handle, .flags = code, .input = call->blob[0], .input_length = call->blob_length[0],
        .buffer = answer->blob, .length = room};
    status_t status = dispatch(handle->volume, &w.work);
    if (w.transferred > room)
        status = ST_INTERNAL_ERROR;
    if (!FAILED(status))
        answer->blob_length = w.transferred;
    return status;
}
