/* Change notifications from the file system. [ref 3.9] */
#include "standin.h"

/* A session keeps renames out; if one is under way and does not end in time: STATUS_CANT_WAIT. */
EXPORT status_t FspFileSystemNotifyBegin(struct volume *volume, uint32_t timeout)
{
    if (!gate_shared_timed(&volume->renames, timeout))
        return ST_CANT_WAIT;
    return ST_SUCCESS;
}

EXPORT status_t FspFileSystemNotifyEnd(struct volume *volume)
{
    gate_release_shared(&volume->renames);
    return ST_SUCCESS;
}

/* Each entry flushes and purges that name's cache and forgets what is known of it. */
void notify_invalidate(struct volume *volume, const wch *name)
{
    pthread_mutex_lock(&volume->mutex);
    struct node *node = node_find(volume, name);
    if (node != NULL) {
        node->refs++;
        node->info_valid = false;
    }
    pthread_mutex_unlock(&volume->mutex);
    if (node == NULL)
        return;
    cache_flush(node);
    cache_purge(node);
    pthread_mutex_lock(&volume->mutex);
    node->info_valid = false;
    pthread_mutex_unlock(&volume->mutex);
    cache_drop_keeper(node);
    node_release(node);
}

EXPORT status_t FspFileSystemNotify(struct volume *volume, struct fsp_notify_info *info, size_t size)
{
    const size_t head = offsetof(struct fsp_notify_info, name);
    for (size_t at = 0; at + head <= size;) {
        struct fsp_notify_info *entry = (struct fsp_notify_info *)((uint8_t *)info + at);
        if (entry->size < head || at + entry->size > size)
            return ST_INVALID_PARAMETER;
        wch *name = wdup(entry->name, (entry->size - head) / sizeof(wch));
        notify_invalidate(volume, name);
        volume_log_change(volume, entry->filter, entry->action, name);
        free(name);
        at += (entry->size + 7u) & ~7u;
    }
    return ST_SUCCESS;
}
