/* Volumes of this process: creating, mount points, counting of callbacks. */
#include "standin.h"

pthread_mutex_t volumes_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct volume *volumes;
static uint32_t next_volume_id = 1;

void note_call(struct volume *volume, int slot, status_t status)
{
    atomic_fetch_add_explicit(&volume->calls[slot], 1, memory_order_relaxed);
    if (!volume->tracing)
        return;
    pthread_mutex_lock(&volume->trace_mutex);
    if (volume->trace_count < TRACE_ENTRIES) {
        volume->trace[volume->trace_count].slot = (uint32_t)slot;
        volume->trace[volume->trace_count++].status = status;
    }
    pthread_mutex_unlock(&volume->trace_mutex);
}

bool volume_has(const struct volume *volume, uint32_t flag)
{
    return (volume->params.flags & flag) != 0;
}

struct volume *volume_get(uint32_t id)
{
    pthread_mutex_lock(&volumes_mutex);
    struct volume *found = NULL;
    for (struct volume *volume = volumes; volume != NULL; volume = volume->next)
        if (id == 0 ? (found == NULL || volume->id > found->id) : volume->id == id)
            found = volume;
    if (found != NULL)
        found->refs++;
    pthread_mutex_unlock(&volumes_mutex);
    return found;
}

int volume_list(struct volume **list, int max)
{
    int count = 0;
    pthread_mutex_lock(&volumes_mutex);
    for (struct volume *volume = volumes; volume != NULL && count < max; volume = volume->next) {
        volume->refs++;
        list[count++] = volume;
    }
    pthread_mutex_unlock(&volumes_mutex);
    return count;
}

/* volumes_mutex held. */
static struct volume *find_locked(const wch *mount_point)
{
    for (struct volume *volume = volumes; volume != NULL; volume = volume->next)
        if (volume->mount_point != NULL && wcompare_folded(volume->mount_point, mount_point) == 0)
            return volume;
    return NULL;
}

struct volume *volume_find(const wch *mount_point)
{
    pthread_mutex_lock(&volumes_mutex);
    struct volume *found = find_locked(mount_point);
    if (found != NULL)
        found->refs++;
    pthread_mutex_unlock(&volumes_mutex);
    return found;
}

static void volume_free(struct volume *volume)
{
    pthread_mutex_destroy(&volume->mutex);
    pthread_mutex_destroy(&volume->trace_mutex);
    pthread_cond_destroy(&volume->work_ready);
    pthread_cond_destroy(&volume->work_done);
    pthread_cond_destroy(&volume->lazy_wake);
    gate_destroy(&volume->renames);
    gate_destroy(&volume->guard);
    while (volume->changes != NULL) {
        struct change *change = volume->changes;
        volume->changes = change->next;
        free(change->name);
        free(change);
    }
    free(volume->mount_point);
    free(volume);
}

void volume_release(struct volume *volume)
{
    pthread_mutex_lock(&volumes_mutex);
    bool last = --volume->refs == 0;
    pthread_mutex_unlock(&volumes_mutex);
    if (last)
        volume_free(volume);
}

void volume_log_change(struct volume *volume, uint32_t filter, uint32_t action, const wch *name)
{
    struct change *change = calloc(1, sizeof *change);
    change->filter = filter;
    change->action = action;
    change->name = wdup(name, wlen(name));
    pthread_mutex_lock(&volume->trace_mutex);
    *volume->changes_tail = change;
    volume->changes_tail = &change->next;
    pthread_mutex_unlock(&volume->trace_mutex);
}

static bool is_automatic(const wch *mount_point)
{
    return mount_point == NULL || (mount_point[0] == '*' && mount_point[1] == ':' && mount_point[2] == 0);
}

/* [ref 3.10]: a letter in use is STATUS_OBJECT_NAME_COLLISION, before anything is created. */
EXPORT status_t FspFileSystemPreflight(wch *device, wch *mount_point)
{
    (void)device;
    if (is_automatic(mount_point))
        return ST_SUCCESS;
    if (mount_point[0] == 0)
        return ST_OBJECT_NAME_INVALID;
    struct volume *taken = volume_find(mount_point);
    if (taken == NULL)
        return ST_SUCCESS;
    volume_release(taken);
    return ST_OBJECT_NAME_COLLISION;
}

EXPORT status_t FspFileSystemCreate(
    wch *device, const struct fsp_volume_params *params, const struct fsp_interface *table, struct volume **result)
{
    *result = NULL;
    if (device == NULL || params == NULL || (params->version != 0 && params->version < 456))
        return ST_INVALID_PARAMETER;
    struct volume *volume = calloc(1, sizeof *volume);
    size_t known = params->version == 0 ? 456 : params->version;
    memcpy(&volume->params, params, known < sizeof *params ? known : sizeof *params);
    if (volume->params.sector_size == 0)
        volume->params.sector_size = 512;
    if (volume->params.sectors_per_unit == 0)
        volume->params.sectors_per_unit = 1;
    if (table != NULL)
        volume->table = *table;
    volume->version = 792;
    volume->refs = 1;
    volume->lazy_interval = 1000;
    volume->changes_tail = &volume->changes;
    pthread_mutex_init(&volume->mutex, NULL);
    pthread_mutex_init(&volume->trace_mutex, NULL);
    pthread_cond_init(&volume->work_ready, NULL);
    pthread_cond_init(&volume->work_done, NULL);
    pthread_cond_init(&volume->lazy_wake, NULL);
    gate_init(&volume->renames);
    gate_init(&volume->guard);
    pthread_mutex_lock(&volumes_mutex);
    volume->id = next_volume_id++;
    volume->next = volumes;
    volumes = volume;
    pthread_mutex_unlock(&volumes_mutex);
    server_start();
    *result = volume;
    return ST_SUCCESS;
}

EXPORT void FspFileSystemRemoveMountPoint(struct volume *volume)
{
    pthread_mutex_lock(&volumes_mutex);
    free(volume->mount_point);
    volume->mount_point = NULL;
    pthread_mutex_unlock(&volumes_mutex);
}

EXPORT void FspFileSystemStopDispatcher(struct volume *volume);

EXPORT void FspFileSystemDelete(struct volume *volume)
{
    if (volume == NULL)
        return;
    FspFileSystemStopDispatcher(volume);
    FspFileSystemRemoveMountPoint(volume);
    pthread_mutex_lock(&volumes_mutex);
    for (struct volume **link = &volumes; *link != NULL; link = &(*link)->next)
        if (*link == volume) {
            *link = volume->next;
            break;
        }
    pthread_mutex_unlock(&volumes_mutex);
    volume_release(volume); /* handles that are still open keep the memory */
}

/* [ref 3.10]: null or "*:" is the first free letter from Z down. */
EXPORT status_t FspFileSystemSetMountPointEx(struct volume *volume, wch *mount_point, void *security)
{
    (void)security;
    pthread_mutex_lock(&volumes_mutex);
    status_t status = ST_SUCCESS;
    wch letter[3] = {0, ':', 0};
    if (volume->mount_point != NULL)
        status = ST_INVALID_PARAMETER;
    else if (is_automatic(mount_point)) {
        mount_point = letter;
        for (letter[0] = 'Z'; letter[0] >= 'D' && find_locked(letter) != NULL; letter[0]--) {
        }
        status = letter[0] >= 'D' ? ST_SUCCESS : ST_OBJECT_NAME_COLLISION;
    } else if (mount_point[0] == 0)
        status = ST_OBJECT_NAME_INVALID;
    else if (find_locked(mount_point) != NULL)
        status = ST_OBJECT_NAME_COLLISION;
    if (status == ST_SUCCESS)
        volume->mount_point = wdup(mount_point, wlen(mount_point));
    pthread_mutex_unlock(&volumes_mutex);
    return status;
}

EXPORT status_t FspFileSystemSetMountPoint(struct volume *volume, wch *mount_point)
{
    return FspFileSystemSetMountPointEx(volume, mount_point, NULL);
}

EXPORT wch *FspFileSystemMountPointF(struct volume *volume)
{
    return volume->mount_point;
}
