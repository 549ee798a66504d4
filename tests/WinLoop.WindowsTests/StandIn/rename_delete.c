/* Dispositions and renames. */
#include "standin.h"

static status_t run_set_delete(struct volume *volume, struct work *work)
{
    struct file_work *w = (struct file_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    bool deletes = (w->flags & DELETE_IT) != 0;
    status_t status = ST_SUCCESS;
    guard_enter(volume, GUARD_SHARED);
    /* [ref 3.1 SetDelete]: the READONLY check is the DLL's, unless IGNORE_READONLY. */
    if (deletes && (w->flags & DELETE_IGNORE_READONLY) == 0 && volume->table.get_file_info != NULL) {
        status = CALL(volume, SLOT_GET_FILE_INFO, get_file_info, file, &w->info);
        if (status == ST_SUCCESS && (w->info.file_attributes & ATTR_READONLY) != 0)
            status = ST_CANNOT_DELETE;
    }
    if (status == ST_SUCCESS && w->second_name == NULL) {
        if (volume->table.set_delete != NULL)
            status = CALL(volume, SLOT_SET_DELETE, set_delete, file, w->name, deletes);
        else if (volume->table.can_delete != NULL && deletes)
            status = CALL(volume, SLOT_CAN_DELETE, can_delete, file, w->name);
    }
    guard_leave(volume, GUARD_SHARED);
    return status;
}

status_t nt_set_disposition(struct handle *handle, uint32_t flags, bool extended)
{
    struct volume *volume = handle->volume;
    struct node *node = handle->node;
    bool posix = extended && (flags & DELETE_POSIX) != 0;
    if ((handle->access & ACC_DELETE) == 0)
        return ST_ACCESS_DENIED;
    if (extended && (flags & DELETE_ON_CLOSE_FLAG) != 0) /* [ref 3.1]: FILE_DISPOSITION_ON_CLOSE is unsupported */
        return ST_NOT_SUPPORTED;
    if (posix && !volume_has(volume, FLAG_SUPPORTS_POSIX_UNLINK_RENAME))
        return ST_INVALID_PARAMETER;
    if (volume_has(volume, FLAG_READ_ONLY_VOLUME))
        return ST_MEDIA_WRITE_PROTECTED;
    if (node->name[1] == 0)
        return ST_CANNOT_DELETE;
    if (node->deleted)
        return ST_DELETE_PENDING;
    /* [ref 1.4 PostDispositionWhenNecessaryOnly]: files are not asked for; the READONLY check remains. */
    static wch not_asked[1];
    bool asks = handle->is_directory || !volume_has(volume, FLAG_POST_DISPOSITION_WHEN_NECESSARY_ONLY);
    struct file_work w = {.work = {.run = run_set_delete, .kind = KIND_SET_INFORMATION, .client = handle->client},
        .handle = handle, .flags = extended ? flags : flags & DELETE_IT, .second_name = asks ? NULL : not_asked};
    gate_shared(&volume->renames);
    gate_exclusive(&node->io);
    w.name = wdup(node->name, wlen(node->name));
    status_t status = dispatch(volume, &w.work);
    if (status == ST_SUCCESS) {
        pthread_mutex_lock(&volume->mutex);
        node->delete_pending = (flags & DELETE_IT) != 0;
        handle->posix_delete = posix && node->delete_pending;
        if (!node->delete_pending)
            handle->delete_on_close = false;
        pthread_mutex_unlock(&volume->mutex);
    }
    gate_release_exclusive(&node->io);
    gate_release_shared(&volume->renames);
    free(w.name);
    return status;
}

struct rename_work {
    struct work work;
    struct handle *handle;
    wch *name, *target;
    uint32_t flags;
    struct token token;
};

static status_t run_rename(struct volume *volume, struct work *work)
{
    struct rename_work *w = (struct rename_work *)work;
    struct fsp_full_context full;
    bool replace = (w->flags & RENAME_REPLACE) != 0;
    status_t status = ST_SUCCESS;
    guard_enter(volume, GUARD_EXCLUSIVE);
    /* [ref 2.1 READONLY rules]: a READONLY target is not replaced, unless the caller says so. */
    if (replace && (w->flags & RENAME_IGNORE_READONLY) == 0 && volume->table.get_security_by_name != NULL
        && wcompare_folded(w->name, w->target) != 0) {
        uint32_t found;
        uint8_t *sd;
        size_t size;
        if (security_by_name(volume, w->target, &found, &sd, &size) == ST_SUCCESS && (found & ATTR_READONLY) != 0)
            status = ST_ACCESS_DENIED;
        free(sd);
    }
    if (status == ST_SUCCESS)
        status = volume->table.rename == NULL
            ? ST_INVALID_DEVICE_REQUEST
            : CALL(volume, SLOT_RENAME, rename, file_context(w->handle, &full), w->name, w->target, replace);
    guard_leave(volume, GUARD_EXCLUSIVE);
    return status;
}

#define LINKS_MAX 32

/* Windows opens the target's directory first, which is where the right to add to it is checked. What the file system is
   told is the name that was reached, so links in the target's path are gone then. */
static status_t open_target_directory(struct handle *handle, wch **target)
{
    wch *parent = wdup(*target, parent_length(*target)), *leads_to = NULL;
    uint64_t context, context2;
    struct fsp_file_info info;
    status_t status = ST_REPARSE_POINT_NOT_RESOLVED;
    for (int links = 0; links <= LINKS_MAX; links++) {
        status = open_context(handle->volume, handle->client, parent, OPT_DIRECTORY_FILE,
            (handle->is_directory ? ACC_ADD_SUBDIRECTORY : ACC_ADD_FILE) | ACC_SYNCHRONIZE, &context, &context2, &info,
            &leads_to);
        if (leads_to == NULL)
            break;
        free(parent);
        parent = leads_to;
        status = ST_REPARSE_POINT_NOT_RESOLVED;
    }
    if (status == ST_SUCCESS) {
        close_context(handle->volume, handle->client, context, context2);
        const wch *last = *target + parent_length(*target);
        last += *last == '\\';
        size_t length = parent[1] == 0 ? 0 : wlen(parent);
        wch *reached = malloc((length + wlen(last) + 2) * sizeof(wch));
        memcpy(reached, parent, length * sizeof(wch));
        reached[length] = '\\';
        memcpy(reached + length + 1, last, (wlen(last) + 1) * sizeof(wch));
        free(*target);
        *target = reached;
    }
    free(parent);
    return status == ST_OBJECT_NAME_NOT_FOUND ? ST_OBJECT_PATH_NOT_FOUND
        : status == ST_REPARSE              ? ST_NOT_SAME_DEVICE
                                            : status;
}

/* [ref 3.1 Rename]: no open target unless POSIX, no open files below what moves or what is replaced.
   volume->mutex held. */
static status_t check_open_files(struct handle *handle, const wch *target, uint32_t flags)
{
    struct volume *volume = handle->volume;
    struct node *self = handle->node, *open = node_find(volume, target);
    if (open != NULL && open != self && open->handles > 0) {
        if (open->delete_pending)
            return ST_ACCESS_DENIED;
        if ((flags & RENAME_REPLACE) == 0)
            return ST_OBJECT_NAME_COLLISION;
        if ((flags & RENAME_POSIX) == 0 || open->is_directory)
            return ST_ACCESS_DENIED;
    }
    for (int i = 0; i < NODE_BUCKETS; i++)
        for (struct node *node = volume->nodes[i]; node != NULL; node = node->next)
            if (node != self && node != open && node->handles > 0
                && (node_name_below(volume, node, self->name) || node_name_below(volume, node, target)))
                return ST_ACCESS_DENIED;
    return ST_SUCCESS;
}

/* volume->mutex held: the names in the table follow. */
static void move_names(struct handle *handle, const wch *old_name, const wch *target)
{
    struct volume *volume = handle->volume;
    struct node *replaced = node_find(volume, target);
    if (replaced != NULL && replaced != handle->node) {
        node_leave_table(replaced); /* lives on without a name; its late writes still come [ref 3.3] */
        replaced->deleted = true;
    }
    node_rename(handle->node, target);
    size_t length = wlen(old_name);
    for (struct node *node = volume->all_nodes; node != NULL; node = node->all_next)
        if (node != handle->node && node->in_table && node_name_below(volume, node, old_name)) {
            wch *moved = malloc((wlen(target) + wlen(node->name) - length + 1) * sizeof(wch));
            memcpy(moved, target, wlen(target) * sizeof(wch));
            memcpy(moved + wlen(target), node->name + length, (wlen(node->name) - length + 1) * sizeof(wch));
            node_rename(node, moved);
            free(moved);
        }
}

status_t nt_rename(struct handle *handle, const wch *target, uint32_t flags)
{
    struct volume *volume = handle->volume;
    bool trailing;
    if ((handle->access & ACC_DELETE) == 0)
        return ST_ACCESS_DENIED;
    if (volume_has(volume, FLAG_READ_ONLY_VOLUME))
        return ST_MEDIA_WRITE_PROTECTED;
    status_t status = check_path(volume, target, &trailing);
    if (status != ST_SUCCESS || target[1] == 0)
        return status != ST_SUCCESS ? status : ST_ACCESS_DENIED;
    if ((flags & RENAME_POSIX) != 0 && !volume_has(volume, FLAG_SUPPORTS_POSIX_UNLINK_RENAME))
        return ST_INVALID_PARAMETER;
    if (handle->node->name[1] == 0)
        return ST_ACCESS_DENIED;
    struct rename_work w = {.work = {.run = run_rename, .kind = KIND_SET_INFORMATION, .client = handle->client},
        .handle = handle, .flags = flags};
    w.target = wdup(target, wlen(target) - (trailing ? 1 : 0)); /* [ref 3.11 rename_backslash] */
    status = open_target_directory(handle, &w.target);
    if (status != ST_SUCCESS) {
        free(w.target);
        return status;
    }
    gate_exclusive(&volume->renames);
    pthread_mutex_lock(&volume->mutex);
    struct node *node = handle->node;
    w.name = wdup(node->name, wlen(node->name));
    if (node->deleted || node->delete_pending)
        status = ST_DELETE_PENDING;
    else if (node_name_below(volume, node, w.target) || (wlen(w.target) > wlen(w.name) && w.target[wlen(w.name)] == '\\'
            && name_matches(w.name, wlen(w.name), w.target, wlen(w.name),
                !volume_has(volume, FLAG_CASE_SENSITIVE_SEARCH))))
        status = ST_ACCESS_DENIED; /* into itself, or onto a directory above it */
    else
        status = check_open_files(handle, w.target, flags);
    pthread_mutex_unlock(&volume->mutex);
    if (status == ST_SUCCESS && !wequal(w.name, w.target)) {
        status = dispatch(volume, &w.work);
        if (status == ST_SUCCESS) {
            volume_log_change(volume, node->is_directory ? 2 : 1, 4, w.name);
            volume_log_change(volume, node->is_directory ? 2 : 1, 5, w.target);
            pthread_mutex_lock(&volume->mutex);
            move_names(handle, w.name, w.target);
            node->info_valid = false;
            pthread_mutex_unlock(&volume->mutex);
            handle->did_change = true;
        }
    }
    gate_release_exclusive(&volume->renames);
    free(w.name);
    free(w.target);
    return status;
}
