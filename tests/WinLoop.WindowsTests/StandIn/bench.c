/* Loops over one callback from the calling thread: what a call costs through the true interface. */
#include "standin.h"

static status_t bench_loop(struct volume *volume, const struct call *call, wch *path, wch *leaf, void *file,
    struct answer *answer)
{
    uint32_t count = call->a[1], length = call->a[2] == 0 ? 4096 : call->a[2];
    struct fsp_open_file_info info;
    wch normalized[PATH_UNITS_MAX + 1];
    uint8_t *buffer = calloc(1, length < 65536 ? 65536 : length);
    status_t status = ST_SUCCESS;
    uint64_t entries = 0, start = now_ns();
    for (uint32_t i = 0; i < count && !FAILED(status); i++) {
        uint32_t attributes, transferred = 0;
        size_t size = FIRST_SECURITY_SIZE;
        struct fsp_full_context full = {0};
        switch (call->a[0]) {
        case SLOT_GET_SECURITY_BY_NAME:
            status = volume->table.get_security_by_name(volume, path, &attributes, buffer, &size);
            break;
        case SLOT_OPEN: {
            memset(&info, 0, sizeof info);
            info.normalized_name = normalized;
            info.normalized_name_size = sizeof normalized;
            void **context = volume_has(volume, FLAG_FILE_CONTEXT_IS_FULL_CONTEXT) ? (void **)&full
                : volume_has(volume, FLAG_FILE_CONTEXT_IS_USER_CONTEXT2)          ? (void **)&full.user_context2
                                                                                   : (void **)&full.user_context;
            status = volume->table.open(
                volume, path, (uint32_t)DISP_OPEN << 24, ACC_FILE_READ, context, &info.info);
            if (!FAILED(status))
                volume->table.close(
                    volume, volume_has(volume, FLAG_FILE_CONTEXT_IS_FULL_CONTEXT) ? (void *)&full : *context);
            break;
        }
        case SLOT_GET_FILE_INFO:
            status = volume->table.get_file_info(volume, file, &info.info);
            break;
        case SLOT_READ:
            status = volume->table.read(volume, file, buffer, call->q[0], length, &transferred);
            break;
        case SLOT_WRITE:
            status = volume->table.write(
                volume, file, buffer, call->q[0], length, false, false, &transferred, &info.info);
            break;
        case SLOT_READ_DIRECTORY:
            status = volume->table.read_directory(volume, file, NULL, NULL, buffer, 65536, &transferred);
            for (uint32_t at = 0; at + 2 <= transferred; entries++) {
                const struct fsp_dir_info *entry = (const struct fsp_dir_info *)(buffer + at);
                if (entry->size == 0)
                    break;
                at += (entry->size + 7u) & ~7u;
            }
            break;
        case SLOT_GET_DIR_INFO_BY_NAME:
            status = volume->table.get_dir_info_by_name(volume, file, leaf, (struct fsp_dir_info *)buffer);
            break;
        default:
            status = ST_INVALID_PARAMETER;
        }
    }
    answer->v[0] = count == 0 ? 0 : (now_ns() - start) / count;
    answer->v[1] = now_ns() - start;
    answer->v[2] = entries;
    free(buffer);
    return status == ST_END_OF_FILE ? ST_SUCCESS : status;
}

/* a[0] slot, a[1] times, a[2] bytes; q[0] offset; the path for names, the handle for open files. The second blob is the
   name inside a directory. */
status_t bench(struct volume *volume, const struct call *call, const wch *path, struct answer *answer)
{
    struct fsp_request request = {.kind = KIND_QUERY_INFORMATION};
    struct fsp_response response;
    memset(&response, 0, sizeof response);
    struct handle *handle = call->handle != 0 ? handle_get(call->handle) : NULL;
    bool by_name = call->a[0] == SLOT_GET_SECURITY_BY_NAME || call->a[0] == SLOT_OPEN;
    if (!by_name && handle == NULL)
        return ST_INVALID_HANDLE;
    struct fsp_full_context full;
    wch *name = wdup(path, wlen(path)), *leaf = wdup((const wch *)call->blob[1], call->blob_length[1] / 2);
    context_enter(&request, &response, call->client);
    status_t status = bench_loop(volume, call, name, leaf, handle != NULL ? file_context(handle, &full) : NULL, answer);
    context_leave();
    free(name);
    free(leaf);
    if (handle != NULL)
        handle_release(handle);
    return status;
}
