/* Create: dispositions and the callbacks they lead to, sharing, links. */
#include "standin.h"

#define LINKS_MAX 32

struct create_work {
    struct work work;
    const wch *path;
    uint32_t options, disposition, desired, attributes, pid;
    const uint8_t *sd, *extra;
    uint32_t extra_length;
    bool extra_is_reparse;
    uint64_t allocation;
    struct token token;
    /* results */
    uint32_t granted, information, found_attributes;
    struct fsp_full_context context;
    struct fsp_file_info info;
    wch normalized[PATH_UNITS_MAX + 1];
    bool is_normalized, is_created;
    struct fsp_io_status reparse;
    uint8_t *reparse_buffer;
    size_t reparse_size;
};

static void **context_address(struct volume *volume, struct fsp_full_context *context)
{
    if (volume_has(volume, FLAG_FILE_CONTEXT_IS_FULL_CONTEXT))
        return (void **)context;
    if (volume_has(volume, FLAG_FILE_CONTEXT_IS_USER_CONTEXT2))
        return (void **)&context->user_context2;
    return (void **)&context->user_context;
}

/* [ref 3.4]: a link before the last component, or the last one unless FILE_OPEN_REPARSE_POINT. */
static status_t resolve(struct volume *volume, struct create_work *w, uint32_t index, bool last)
{
    if (volume->table.resolve_reparse_points == NULL || !volume_has(volume, FLAG_REPARSE_POINTS))
        return ST_REPARSE_POINT_NOT_RESOLVED;
    w->reparse_buffer = malloc(REPLY_MAX);
    w->reparse_size = REPLY_MAX;
    wch *name = wdup(w->path, wlen(w->path));
    status_t status = CALL(volume, SLOT_RESOLVE_REPARSE_POINTS, resolve_reparse_points, name, index, last,
        &w->reparse, w->reparse_buffer, &w->reparse_size);
    free(name);
    if (status == ST_REPARSE && w->reparse_size > REPLY_MAX)
        status = ST_IO_REPARSE_DATA_INVALID;
    return status;
}

static uint32_t last_component(const wch *path)
{
    size_t parent = parent_length(path);
    return (uint32_t)(parent == 1 && path[1] != '\\' ? 1 : parent + 1);
}

static void take_name(struct volume *volume, struct create_work *w, struct fsp_open_file_info *open)
{
    w->info = open->info;
    /* [ref 3.1 Open]: a normalised name counts on case-insensitive volumes only; unchanged size = none given. */
    if (!volume_has(volume, FLAG_CASE_SENSITIVE_SEARCH) && open->normalized_name_size < sizeof w->normalized) {
        w->normalized[open->normalized_name_size / sizeof(wch)] = 0;
        w->is_normalized = w->normalized[0] == '\\';
    }
}

static status_t do_open(struct volume *volume, struct create_work *w)
{
    uint32_t extra = w->disposition == DISP_SUPERSEDE ? ACC_DELETE
        : w->disposition == DISP_OVERWRITE || w->disposition == DISP_OVERWRITE_IF ? ACC_WRITE_DATA
                                                                                  : 0;
    uint8_t *sd;
    uint32_t found;
    status_t status = access_check_path(
        volume, w->path, false, w->desired | extra, w->options, &w->token, &found, &w->granted, &sd);
    free(sd);
    if (status == ST_REPARSE)
        return resolve(volume, w, found, (w->options & OPT_OPEN_REPARSE_POINT) == 0);
    if (status != ST_SUCCESS)
        return status;
    bool was_checked = volume->table.get_security_by_name != NULL;
    if (was_checked && (found & ATTR_REPARSE_POINT) != 0 && (w->options & OPT_OPEN_REPARSE_POINT) == 0)
        return resolve(volume, w, last_component(w->path), true);
    if (was_checked) {
        bool is_directory = (found & ATTR_DIRECTORY) != 0;
        if (!is_directory && (w->options & OPT_DIRECTORY_FILE) != 0)
            return ST_NOT_A_DIRECTORY;
        if (is_directory && ((w->options & OPT_NON_DIRECTORY_FILE) != 0 || extra != 0))
            return ST_FILE_IS_A_DIRECTORY;
        /* [ref 2.1]: READONLY refuses writing, and a delete on close. */
        if (!is_directory && (found & ATTR_READONLY) != 0) {
            const uint32_t writes = ACC_WRITE_DATA | ACC_APPEND_DATA;
            if ((w->desired & ACC_MAXIMUM_ALLOWED) != 0)
                w->granted &= ~writes | map_generic(w->desired);
            if ((map_generic(w->desired) & writes) != 0 || extra != 0)
                return ST_ACCESS_DENIED;
        }
        if ((found & ATTR_READONLY) != 0 && (w->options & OPT_DELETE_ON_CLOSE) != 0)
            return ST_CANNOT_DELETE;
        /* Windows' rule: what is hidden or system stays so when it is overwritten. */
        if (extra != 0 && (found & ~w->attributes & (ATTR_HIDDEN | ATTR_SYSTEM)) != 0)
            return ST_ACCESS_DENIED;
        if ((w->desired & ACC_MAXIMUM_ALLOWED) == 0)
            w->granted &= ~extra | map_generic(w->desired);
    }
    w->found_attributes = found;
    struct fsp_open_file_info open = {.normalized_name = w->normalized, .normalized_name_size = sizeof w->normalized};
    wch *name = wdup(w->path, wlen(w->path));
    status = CALL(volume, SLOT_OPEN, open, name, w->disposition << 24 | w->options, w->granted,
        context_address(volume, &w->context), &open.info);
    free(name);
    if (status == ST_SUCCESS) {
        take_name(volume, w, &open);
        w->information = INFO_OPENED;
    }
    return status;
}

static status_t do_create(struct volume *volume, struct create_work *w)
{
    bool is_directory = (w->options & OPT_DIRECTORY_FILE) != 0;
    uint8_t *parent;
    uint32_t found, ignored;
    if (w->path[1] == 0)
        return ST_OBJECT_NAME_COLLISION;
    status_t status = access_check_path(volume, w->path, true, is_directory ? ACC_ADD_SUBDIRECTORY : ACC_ADD_FILE,
        w->options & ~(uint32_t)OPT_OPEN_REPARSE_POINT, &w->token, &found, &ignored, &parent);
    if (status == ST_REPARSE)
        return resolve(volume, w, found, (w->options & OPT_OPEN_REPARSE_POINT) == 0);
    if (status != ST_SUCCESS)
        return status;
    /* [ref 3.1 Create(Ex)]: a delete on close of a READONLY file is refused before. */
    if ((w->options & OPT_DELETE_ON_CLOSE) != 0 && (w->attributes & ATTR_READONLY) != 0) {
        free(parent);
        return ST_CANNOT_DELETE;
    }
    size_t sd_size = 0;
    uint8_t *sd = volume_has(volume, FLAG_PERSISTENT_ACLS)
        ? sd_inherit(parent, w->sd, &w->token, is_directory, &sd_size)
        : NULL;
    free(parent);
    w->granted = map_generic(w->desired) & ~(uint32_t)ACC_MAXIMUM_ALLOWED;
    if (w->desired & ACC_MAXIMUM_ALLOWED)
        w->granted |= ACC_FILE_ALL;
    uint32_t attributes = w->attributes & ATTR_SETTABLE & ~(uint32_t)ATTR_NORMAL;
    attributes |= is_directory ? ATTR_DIRECTORY : ATTR_ARCHIVE;
    struct fsp_open_file_info open = {.normalized_name = w->normalized, .normalized_name_size = sizeof w->normalized};
    wch *name = wdup(w->path, wlen(w->path));
    uint32_t options = w->disposition << 24 | w->options;
    void **context = context_address(volume, &w->context);
    if (volume->table.create_ex != NULL)
        status = CALL(volume, SLOT_CREATE_EX, create_ex, name, options, w->granted, attributes, sd, w->allocation,
            (void *)w->extra, w->extra_length, w->extra_is_reparse, context, &open.info);
    else
        status = CALL(volume, SLOT_CREATE, create, name, options, w->granted, attributes, sd, w->allocation, context,
            &open.info);
    free(name);
    free(sd);
    if (status == ST_SUCCESS) {
        take_name(volume, w, &open);
        w->information = INFO_CREATED;
        w->is_created = true;
    }
    return status;
}

/* [ref 3.1 Create(Ex)]: a collision becomes FILE_IS_A_DIRECTORY, or leads through the link that stands there. */
static status_t after_collision(struct volume *volume, struct create_work *w)
{
    uint8_t *sd;
    size_t size;
    uint32_t found;
    if (volume->table.get_security_by_name == NULL)
        return ST_OBJECT_NAME_COLLISION;
    status_t status = security_by_name(volume, w->path, &found, &sd, &size);
    free(sd);
    if (status == ST_REPARSE)
        return resolve(volume, w, found, (w->options & OPT_OPEN_REPARSE_POINT) == 0);
    if (status != ST_SUCCESS)
        return ST_OBJECT_NAME_COLLISION;
    if ((found & ATTR_REPARSE_POINT) != 0 && (w->options & OPT_OPEN_REPARSE_POINT) == 0)
        return resolve(volume, w, last_component(w->path), true);
    if ((found & ATTR_DIRECTORY) != 0 && (w->options & OPT_NON_DIRECTORY_FILE) != 0)
        return ST_FILE_IS_A_DIRECTORY;
    return ST_OBJECT_NAME_COLLISION;
}

static status_t run_create(struct volume *volume, struct work *work)
{
    struct create_work *w = (struct create_work *)work;
    /* [ref 3.1]: all three or every create fails. */
    if ((volume->table.create == NULL && volume->table.create_ex == NULL) || volume->table.open == NULL
        || (volume->table.overwrite == NULL && volume->table.overwrite_ex == NULL))
        return ST_INVALID_DEVICE_REQUEST;
    enum guard_kind guard = w->disposition == DISP_OPEN ? GUARD_SHARED : GUARD_EXCLUSIVE;
    guard_enter(volume, guard);
    status_t status;
    if (w->disposition == DISP_CREATE) {
        status = do_create(volume, w);
        if (status == ST_OBJECT_NAME_COLLISION)
            status = after_collision(volume, w);
    } else {
        status = do_open(volume, w);
        bool may_create = w->disposition != DISP_OPEN && w->disposition != DISP_OVERWRITE;
        if (status == ST_OBJECT_NAME_NOT_FOUND && may_create) {
            status = do_create(volume, w);
            if (status == ST_OBJECT_NAME_COLLISION) /* made by somebody else meanwhile */
                status = do_open(volume, w);
        }
    }
    guard_leave(volume, guard);
    if (status == ST_SUCCESS)
        atomic_fetch_add(&volume->contexts_open, 1);
    return status;
}

struct overwrite_work {
    struct work work;
    struct handle *handle;
    uint32_t attributes, extra_length;
    bool replace;
    uint64_t allocation;
    const uint8_t *extra;
    struct fsp_file_info info;
};

static status_t run_overwrite(struct volume *volume, struct work *work)
{
    struct overwrite_work *w = (struct overwrite_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    guard_enter(volume, GUARD_EXCLUSIVE);
    status_t status;
    if (volume->table.overwrite_ex != NULL)
        status = CALL(volume, SLOT_OVERWRITE_EX, overwrite_ex, file, w->attributes, w->replace, w->allocation,
            (void *)w->extra, w->extra_length, &w->info);
    else
        status = CALL(volume, SLOT_OVERWRITE, overwrite, file, w->attributes, w->replace, w->allocation, &w->info);
    guard_leave(volume, GUARD_EXCLUSIVE);
    return status;
}

struct close_work {
    struct work work;
    struct fsp_full_context context;
};

static status_t run_close(struct volume *volume, struct work *work)
{
    struct close_work *w = (struct close_work *)work;
    note_call(volume, SLOT_CLOSE, ST_SUCCESS);
    if (volume->table.close != NULL)
        volume->table.close(volume,
            volume_has(volume, FLAG_FILE_CONTEXT_IS_FULL_CONTEXT)         ? (void *)&w->context
                : volume_has(volume, FLAG_FILE_CONTEXT_IS_USER_CONTEXT2) ? (void *)(uintptr_t)w->context.user_context2
                                                                          : (void *)(uintptr_t)w->context.user_context);
    atomic_fetch_sub(&volume->contexts_open, 1);
    return ST_SUCCESS;
}

void close_context(struct volume *volume, uint32_t client, uint64_t user_context, uint64_t user_context2)
{
    struct close_work w = {.work = {.run = run_close, .kind = KIND_CLOSE, .client = client},
        .context = {user_context, user_context2}};
    dispatch(volume, &w.work);
}

/* Opens without a handle: the target directory of a rename. leads_to: where a link on this volume leads, or NULL. */
status_t open_context(struct volume *volume, uint32_t client, const wch *path, uint32_t options, uint32_t access,
    uint64_t *user_context, uint64_t *user_context2, struct fsp_file_info *info, wch **leads_to)
{
    struct create_work *w = calloc(1, sizeof *w);
    w->work = (struct work){.run = run_create, .kind = KIND_CREATE, .client = client};
    w->path = path;
    w->options = options;
    w->disposition = DISP_OPEN;
    w->desired = access;
    token_for(client, &w->token);
    status_t status = dispatch(volume, &w->work);
    *user_context = w->context.user_context;
    *user_context2 = w->context.user_context2;
    *info = w->info;
    *leads_to = status == ST_REPARSE && w->reparse.information == 0
        ? wdup((const wch *)w->reparse_buffer, w->reparse_size / sizeof(wch))
        : NULL;
    free(w->reparse_buffer);
    free(w);
    return status;
}

/* What the kernel refuses without asking the file system. */
static status_t check_parameters(struct volume *volume, const struct call *call, uint32_t options, bool trailing)
{
    uint32_t disposition = call->a[3], desired = call->a[0];
    if (disposition > DISP_OVERWRITE_IF || desired == 0)
        return ST_INVALID_PARAMETER;
    if ((options & OPT_DIRECTORY_FILE) != 0 && (options & OPT_NON_DIRECTORY_FILE) != 0)
        return ST_INVALID_PARAMETER;
    if ((options & OPT_DIRECTORY_FILE) != 0 && disposition != DISP_OPEN && disposition != DISP_CREATE
        && disposition != DISP_OPEN_IF)
        return ST_INVALID_PARAMETER;
    if ((options & OPT_OPEN_BY_FILE_ID) != 0)
        return ST_NOT_SUPPORTED;
    if ((options & OPT_DELETE_ON_CLOSE) != 0 && (map_generic(desired) & ACC_DELETE) == 0)
        return ST_INVALID_PARAMETER;
    if (trailing && (options & OPT_DIRECTORY_FILE) == 0
        && ((options & OPT_NON_DIRECTORY_FILE) != 0 || disposition != DISP_OPEN))
        return ST_OBJECT_NAME_INVALID;
    /* [ref 1.4 ReadOnlyVolume] */
    if (volume_has(volume, FLAG_READ_ONLY_VOLUME)) {
        const uint32_t writes = ACC_WRITE_DATA | ACC_APPEND_DATA | ACC_WRITE_EA | ACC_DELETE_CHILD
            | ACC_WRITE_ATTRIBUTES | ACC_DELETE | ACC_WRITE_DAC | ACC_WRITE_OWNER;
        if ((disposition != DISP_OPEN && disposition != DISP_OPEN_IF) || (map_generic(desired) & writes) != 0)
            return ST_MEDIA_WRITE_PROTECTED;
    }
    return ST_SUCCESS;
}

/* The share check and the entry into the open table, after the file system has opened. */
static status_t enter_table(struct volume *volume, const struct call *call, const wch *name, struct create_work *w,
    struct handle **result)
{
    pthread_mutex_lock(&volume->mutex);
    struct node *node = node_enter(volume, name);
    status_t status = ST_SUCCESS;
    /* [ref 2.1 delete pending] */
    if (node->delete_pending)
        status = ST_DELETE_PENDING;
    else
        status = share_check(node, w->granted, call->a[2]);
    if (status == ST_SUCCESS) {
        if (node->refs == 1)
            node->user_context = w->context.user_context;
        share_add(node, w->granted, call->a[2]);
        node->handles++;
        node->is_directory = (w->info.file_attributes & ATTR_DIRECTORY) != 0;
        volume->open_handles++;
    }
    pthread_mutex_unlock(&volume->mutex);
    if (status != ST_SUCCESS) {
        node_release(node);
        return status;
    }
    struct handle *handle = handle_new(volume, node, call->client);
    handle->user_context2 = w->context.user_context2;
    handle->access = w->granted;
    handle->share = call->a[2];
    handle->options = w->options;
    handle->is_directory = node->is_directory;
    handle->delete_on_close = (w->options & OPT_DELETE_ON_CLOSE) != 0;
    /* [ref 3.3]: the cache is used only with FileInfoTimeout -1, buffering, and no DisableCache in the answer. */
    handle->cached = !handle->is_directory && volume->params.file_info_timeout == FOREVER
        && (w->options & OPT_NO_INTERMEDIATE_BUFFERING) == 0 && (w->work.response.create_flags & 1) == 0;
    *result = handle;
    return ST_SUCCESS;
}

static status_t overwrite(struct handle *handle, const struct call *call, struct create_work *w)
{
    struct overwrite_work o = {.work = {.run = run_overwrite, .kind = KIND_OVERWRITE, .client = call->client},
        .handle = handle, .replace = w->disposition == DISP_SUPERSEDE, .allocation = w->allocation,
        .attributes = (w->attributes & ATTR_SETTABLE & ~(uint32_t)ATTR_NORMAL) | ATTR_ARCHIVE,
        .extra = w->extra_is_reparse ? NULL : w->extra, .extra_length = w->extra_is_reparse ? 0 : w->extra_length};
    gate_exclusive(&handle->node->io);
    cache_set_size(handle->node, 0);
    status_t status = dispatch(handle->volume, &o.work);
    if (status == ST_SUCCESS) {
        w->info = o.info;
        node_set_info(handle->node, &w->info);
        w->information = o.replace ? INFO_SUPERSEDED : INFO_OVERWRITTEN;
        handle->did_write = handle->did_resize = true;
    } else
        handle->node->cached_size = w->info.file_size;
    gate_release_exclusive(&handle->node->io);
    return status;
}

/* The name of a mount point in an absolute link target: "\??\X:\..." stays on this volume. */
static wch *own_target(struct volume *volume, const struct create_work *w)
{
    const uint8_t *data = w->reparse_buffer;
    if (w->reparse_size < 20 || volume->mount_point == NULL)
        return NULL;
    uint16_t offset, length;
    memcpy(&offset, data + 8, 2);
    memcpy(&length, data + 10, 2);
    if (20u + offset + length > w->reparse_size)
        return NULL;
    wch *target = wdup((const wch *)(data + 20 + offset), length / 2), *found = NULL;
    size_t point = wlen(volume->mount_point);
    if (wlen(target) > 4 + point && target[0] == '\\' && target[1] == '?' && target[2] == '?' && target[3] == '\\'
        && target[4 + point] == '\\') {
        target[4 + point] = 0;
        if (wcompare_folded(target + 4, volume->mount_point) == 0) {
            target[4 + point] = '\\';
            found = wdup(target + 4 + point, wlen(target + 4 + point));
        }
    }
    free(target);
    return found;
}

/* What Open told may be old by now if others have the file open: they may have written since. */
static void take_open_info(struct handle *handle, const struct fsp_file_info *info)
{
    struct node *node = handle->node;
    gate_exclusive(&node->io);
    pthread_mutex_lock(&node->volume->mutex);
    bool is_first = node->handles == 1 || !node->info_valid;
    pthread_mutex_unlock(&node->volume->mutex);
    if (is_first)
        node_set_info(node, info);
    if (handle->cached && !node->cache_ready) {
        node->cached_size = is_first ? info->file_size : node->info.file_size;
        node->cache_ready = true;
    }
    gate_release_exclusive(&node->io);
}

static status_t create_once(struct volume *volume, const struct call *call, struct create_work *w,
    struct answer *answer)
{
    gate_shared(&volume->renames);
    status_t status = dispatch(volume, &w->work);
    struct handle *handle = NULL;
    if (status == ST_SUCCESS) {
        wch *name = wdup(w->is_normalized ? w->normalized : w->path, wlen(w->is_normalized ? w->normalized : w->path));
        /* [ref 3.2]: without normalisation an insensitive volume shows upper-cased names. */
        if (!w->is_normalized && !volume_has(volume, FLAG_CASE_SENSITIVE_SEARCH))
            for (wch *c = name; *c != 0; c++)
                *c = fold(*c);
        status = enter_table(volume, call, name, w, &handle);
        free(name);
        if (status != ST_SUCCESS) /* [ref 3.1 Open]: closed again, without Cleanup */
            close_context(volume, call->client, w->context.user_context, w->context.user_context2);
    }
    gate_release_shared(&volume->renames);
    if (status != ST_SUCCESS)
        return status;
    if (!w->is_created && w->disposition != DISP_OPEN && w->disposition != DISP_OPEN_IF) {
        status = overwrite(handle, call, w);
        if (status != ST_SUCCESS) { /* [ref 3.1 Overwrite]: closed, without Cleanup */
            pthread_mutex_lock(&volume->mutex);
            share_remove(handle->node, handle->access, handle->share);
            handle->node->handles--;
            volume->open_handles--;
            pthread_mutex_unlock(&volume->mutex);
            handle_forget(handle);
            handle_release(handle);
            return status;
        }
    }
    if (w->is_created)
        volume_log_change(volume, handle->is_directory ? 2 : 1, 1, handle->node->name);
    take_open_info(handle, &w->info);
    answer->handle = handle->id;
    answer->r[0] = w->information;
    answer->r[1] = w->granted;
    answer->r[2] = handle->cached;
    answer->info = w->info;
    return ST_SUCCESS;
}

status_t nt_create(struct volume *volume, const struct call *call, const wch *path, struct answer *answer)
{
    bool trailing;
    uint32_t options = call->a[4] & 0xFFFFFF;
    status_t status = check_path(volume, path, &trailing);
    if (status == ST_SUCCESS)
        status = check_parameters(volume, call, options, trailing);
    if (status == ST_SUCCESS && call->blob_length[1] > 0 && !sd_valid(call->blob[1], call->blob_length[1]))
        status = ST_INVALID_SECURITY_DESCR;
    uint8_t *extra = NULL;
    if (status == ST_SUCCESS && call->blob_length[2] > 0 && call->a[5] == 0)
        status = volume_has(volume, FLAG_EXTENDED_ATTRIBUTES)
            ? ea_prepare(volume, call->blob[2], call->blob_length[2], &extra)
            : ST_EAS_NOT_SUPPORTED;
    if (status != ST_SUCCESS)
        return status;
    wch *name = wdup(path, wlen(path) - (trailing ? 1 : 0));
    for (int links = 0;; links++) {
        struct create_work *w = calloc(1, sizeof *w);
        w->work = (struct work){.run = run_create, .kind = KIND_CREATE, .client = call->client};
        w->path = name;
        w->options = options | (trailing ? OPT_DIRECTORY_FILE : 0);
        w->disposition = call->a[3];
        if (volume_has(volume, FLAG_READ_ONLY_VOLUME) && w->disposition == DISP_OPEN_IF)
            w->disposition = DISP_OPEN;
        w->desired = call->a[0];
        w->attributes = call->a[1];
        w->sd = call->blob_length[1] > 0 ? call->blob[1] : NULL;
        w->extra = extra != NULL ? extra : call->blob[2];
        w->extra_length = call->blob_length[2];
        w->extra_is_reparse = call->a[5] != 0 && call->blob_length[2] > 0;
        w->allocation = call->q[0];
        token_for(call->client, &w->token);
        status = create_once(volume, call, w, answer);
        wch *next = NULL;
        if (status == ST_REPARSE && w->reparse.information == 0)
            next = wdup((const wch *)w->reparse_buffer, w->reparse_size / sizeof(wch));
        else if (status == ST_REPARSE && w->reparse.information == TAG_SYMLINK)
            next = own_target(volume, w);
        if (status == ST_REPARSE && next == NULL) {
            /* Leaves the volume, or nobody knows the tag: the caller gets the data. */
            answer->r[3] = (uint32_t)w->reparse.information;
            if (w->reparse_size <= answer->capacity) {
                memcpy(answer->blob, w->reparse_buffer, w->reparse_size);
                answer->blob_length = (uint32_t)w->reparse_size;
            }
            if (w->reparse.information != TAG_SYMLINK && w->reparse.information != TAG_MOUNT_POINT)
                status = ST_IO_REPARSE_TAG_NOT_HANDLED;
        }
        free(w->reparse_buffer);
        free(w);
        if (next == NULL)
            break;
        free(name);
        name = next;
        if (links == LINKS_MAX)
            status = ST_REPARSE_POINT_NOT_RESOLVED;
        else
            status = check_path(volume, name, &trailing);
        if (status != ST_SUCCESS)
            break;
    }
    free(name);
    free(extra);
    return status;
}
