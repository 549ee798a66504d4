/* The end of an open: Cleanup when the last handle of a process goes, Close when nothing refers to it. */
#include "standin.h"

struct cleanup_work {
    struct work work;
    struct handle *handle;
    uint32_t flags;
    wch *name;
};

static status_t run_cleanup(struct volume *volume, struct work *work)
{
    struct cleanup_work *w = (struct cleanup_work *)work;
    struct fsp_full_context full;
    void *file = file_context(w->handle, &full);
    enum guard_kind guard = w->flags & CLEANUP_DELETE ? GUARD_EXCLUSIVE : GUARD_NONE;
    guard_enter(volume, guard);
    note_call(volume, SLOT_CLEANUP, w->flags);
    if (volume->table.cleanup != NULL)
        volume->table.cleanup(volume, file, w->name, w->flags);
    guard_leave(volume, guard);
    return ST_SUCCESS;
}

/* [ref 3.1 Cleanup]: which times and bits the file system shall set, because the program did not. */
static uint32_t cleanup_flags(const struct handle *handle)
{
    uint32_t flags = 0;
    if (handle->did_write || handle->did_resize) {
        flags |= CLEANUP_SET_ALLOCATION_SIZE | CLEANUP_SET_ARCHIVE_BIT;
        flags |= handle->keeps_write_time ? 0 : CLEANUP_SET_LAST_WRITE_TIME;
    }
    if ((handle->did_write || handle->did_resize || handle->did_change) && !handle->keeps_change_time)
        flags |= CLEANUP_SET_CHANGE_TIME;
    if (handle->did_read && !handle->keeps_access_time)
        flags |= CLEANUP_SET_LAST_ACCESS_TIME;
    return flags;
}

void nt_cleanup(struct handle *handle)
{
    struct volume *volume = handle->volume;
    struct node *node = handle->node;
    locks_drop(handle);
    gate_shared(&volume->renames); /* the name must not change under a deletion */
    pthread_mutex_lock(&volume->mutex);
    if (handle->cleaned) {
        pthread_mutex_unlock(&volume->mutex);
        gate_release_shared(&volume->renames);
        return;
    }
    handle->cleaned = true;
    node->handles--;
    volume->open_handles--;
    share_remove(node, handle->access, handle->share);
    if (handle->delete_on_close && !node->deleted)
        node->delete_pending = true;
    bool last = node->handles == 0;
    /* [ref 3.1 delete model]: the name goes at the last cleanup; with POSIX semantics at the deleter's own. */
    bool deletes = node->delete_pending && !node->deleted && (last || handle->posix_delete);
    if (deletes)
        node->deleted = true;
    pthread_mutex_unlock(&volume->mutex);

    uint32_t flags = cleanup_flags(handle) | (deletes ? CLEANUP_DELETE : 0);
    const uint32_t modifying = ~(uint32_t)CLEANUP_SET_LAST_ACCESS_TIME;
    /* [ref 1.4 PostCleanupWhenModifiedOnly] */
    if (!volume_has(volume, FLAG_POST_CLEANUP_WHEN_MODIFIED_ONLY) || (flags & modifying) != 0) {
        struct cleanup_work w = {.work = {.run = run_cleanup, .kind = KIND_CLEANUP, .client = handle->client},
            .handle = handle, .flags = flags};
        /* [ref 3.1 Cleanup]: the name is given only with Delete. */
        w.name = deletes ? wdup(node->name, wlen(node->name)) : NULL;
        dispatch(volume, &w.work);
        free(w.name);
        pthread_mutex_lock(&volume->mutex);
        node->info_valid = false;
        pthread_mutex_unlock(&volume->mutex);
    }
    if (deletes) {
        pthread_mutex_lock(&volume->mutex);
        node_leave_table(node);
        pthread_mutex_unlock(&volume->mutex);
        volume_log_change(volume, node->is_directory ? 2 : 1, 2, node->name);
    }
    gate_release_shared(&volume->renames);

    /* [ref 3.3 FlushAndPurgeOnCleanup]: dirty data goes out and the cache is emptied at the last handle's close. */
    if (last && volume_has(volume, FLAG_FLUSH_AND_PURGE_ON_CLEANUP)) {
        cache_flush(node);
        cache_purge(node);
    }
    cache_drop_keeper(node);
}

/* [ref 3.1 Close]: the last call for an open; while the cache holds the file object it does not come. */
void nt_close(struct handle *handle)
{
    if (handle->closed)
        return;
    handle->closed = true;
    close_context(handle->volume, handle->client, handle->node->user_context, handle->user_context2);
}
