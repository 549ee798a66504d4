/* The open table: what is open is known by NAME, and share modes, delete pending and caches hang on that name
   [ref 3.3 "Hard links"]. */
#include "standin.h"

static wch *make_key(const struct volume *volume, const wch *name)
{
    wch *key = wdup(name, wlen(name));
    if (!volume_has(volume, FLAG_CASE_SENSITIVE_SEARCH))
        for (wch *c = key; *c != 0; c++)
            *c = fold(*c);
    return key;
}

static unsigned bucket_of(const wch *key)
{
    uint32_t hash = 2166136261u;
    for (; *key != 0; key++)
        hash = (hash ^ *key) * 16777619u;
    return hash % NODE_BUCKETS;
}

static struct node *find_key(struct volume *volume, const wch *key)
{
    for (struct node *node = volume->nodes[bucket_of(key)]; node != NULL; node = node->next)
        if (wequal(node->key, key))
            return node;
    return NULL;
}

struct node *node_find(struct volume *volume, const wch *name)
{
    wch *key = make_key(volume, name);
    struct node *node = find_key(volume, key);
    free(key);
    return node;
}

static void table_insert(struct node *node)
{
    unsigned bucket = bucket_of(node->key);
    node->next = node->volume->nodes[bucket];
    node->volume->nodes[bucket] = node;
    node->in_table = true;
}

void node_leave_table(struct node *node)
{
    if (!node->in_table)
        return;
    for (struct node **link = &node->volume->nodes[bucket_of(node->key)]; *link != NULL; link = &(*link)->next)
        if (*link == node) {
            *link = node->next;
            break;
        }
    node->in_table = false;
}

struct node *node_enter(struct volume *volume, const wch *name)
{
    wch *key = make_key(volume, name);
    struct node *node = find_key(volume, key);
    if (node != NULL) {
        free(key);
        node->refs++;
        return node;
    }
    node = calloc(1, sizeof *node);
    node->volume = volume;
    node->name = wdup(name, wlen(name));
    node->key = key;
    node->refs = 1;
    gate_init(&node->io);
    pthread_mutex_init(&node->cache_mutex, NULL);
    pthread_cond_init(&node->cache_changed, NULL);
    node->all_next = volume->all_nodes;
    node->all_link = &volume->all_nodes;
    if (node->all_next != NULL)
        node->all_next->all_link = &node->all_next;
    volume->all_nodes = node;
    table_insert(node);
    return node;
}

void node_release(struct node *node)
{
    struct volume *volume = node->volume;
    pthread_mutex_lock(&volume->mutex);
    bool last = --node->refs == 0;
    if (last) {
        node_leave_table(node);
        *node->all_link = node->all_next;
        if (node->all_next != NULL)
            node->all_next->all_link = node->all_link;
    }
    pthread_mutex_unlock(&volume->mutex);
    if (!last)
        return;
    cache_forget(node);
    gate_destroy(&node->io);
    pthread_mutex_destroy(&node->cache_mutex);
    pthread_cond_destroy(&node->cache_changed);
    free(node->name);
    free(node->key);
    free(node);
}

/* volume->mutex held; the caller has made sure that the new name is free. */
void node_rename(struct node *node, const wch *name)
{
    bool was_in_table = node->in_table;
    node_leave_table(node);
    free(node->key);
    free(node->name);
    node->name = wdup(name, wlen(name));
    node->key = make_key(node->volume, name);
    if (was_in_table)
        table_insert(node);
}

/* True if the node is a stream of the name or lies below it. */
bool node_name_below(struct volume *volume, const struct node *node, const wch *folder)
{
    wch *key = make_key(volume, folder);
    size_t length = wlen(key);
    bool below = true;
    for (size_t i = 0; i < length && below; i++)
        below = node->key[i] == key[i];
    below = below && (node->key[length] == '\\' || node->key[length] == ':' || (length == 1 && node->key[1] != 0));
    free(key);
    return below;
}

#define WANTS_READ (ACC_READ_DATA | ACC_EXECUTE)
#define WANTS_WRITE (ACC_WRITE_DATA | ACC_APPEND_DATA)

/* Windows' own rule for share modes: only opens that read, write or delete take part. */
status_t share_check(struct node *node, uint32_t access, uint32_t share)
{
    bool reads = (access & WANTS_READ) != 0, writes = (access & WANTS_WRITE) != 0, deletes = (access & ACC_DELETE) != 0;
    if (!reads && !writes && !deletes)
        return ST_SUCCESS;
    int sharers = node->sharers;
    if ((reads && node->allow_read < sharers) || (writes && node->allow_write < sharers)
        || (deletes && node->allow_delete < sharers)
        || (node->share_readers != 0 && (share & SHARE_READ) == 0)
        || (node->share_writers != 0 && (share & SHARE_WRITE) == 0)
        || (node->share_deleters != 0 && (share & SHARE_DELETE) == 0))
        return ST_SHARING_VIOLATION;
    return ST_SUCCESS;
}

static void share_change(struct node *node, uint32_t access, uint32_t share, int by)
{
    bool reads = (access & WANTS_READ) != 0, writes = (access & WANTS_WRITE) != 0, deletes = (access & ACC_DELETE) != 0;
    if (!reads && !writes && !deletes)
        return;
    node->sharers += by;
    node->share_readers += reads ? by : 0;
    node->share_writers += writes ? by : 0;
    node->share_deleters += deletes ? by : 0;
    node->allow_read += share & SHARE_READ ? by : 0;
    node->allow_write += share & SHARE_WRITE ? by : 0;
    node->allow_delete += share & SHARE_DELETE ? by : 0;
}

void share_add(struct node *node, uint32_t access, uint32_t share)
{
    share_change(node, access, share, 1);
}

void share_remove(struct node *node, uint32_t access, uint32_t share)
{
    share_change(node, access, share, -1);
}

/* [ref 3.3]: the driver keeps FileInfo for FileInfoTimeout milliseconds. */
void node_set_info(struct node *node, const struct fsp_file_info *info)
{
    pthread_mutex_lock(&node->volume->mutex);
    node->info = *info;
    node->info_valid = true;
    uint32_t timeout = node->volume->params.file_info_timeout;
    node->info_until = timeout == FOREVER ? UINT64_MAX : now_ms() + timeout;
    pthread_mutex_unlock(&node->volume->mutex);
}

/* Handles of all volumes: slot number + 1, and a generation above it, so that an old value is never valid again. */
static pthread_mutex_t handles_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct handle **slots;
static uint32_t slot_count;
static uint32_t free_hint;
static uint32_t generation;

struct handle *handle_new(struct volume *volume, struct node *node, uint32_t client)
{
    struct handle *handle = calloc(1, sizeof *handle);
    handle->refs = 1;
    handle->volume = volume;
    handle->node = node;
    handle->client = client;
    pthread_mutex_lock(&volumes_mutex);
    volume->refs++;
    pthread_mutex_unlock(&volumes_mutex);
    pthread_mutex_lock(&handles_mutex);
    uint32_t slot = free_hint;
    while (slot < slot_count && slots[slot] != NULL)
        slot++;
    if (slot == slot_count) {
        slot_count = slot_count == 0 ? 256 : slot_count * 2;
        slots = realloc(slots, slot_count * sizeof *slots);
        memset(slots + slot, 0, (slot_count - slot) * sizeof *slots);
    }
    slots[slot] = handle;
    free_hint = slot + 1;
    handle->id = (uint64_t)++generation << 32 | (slot + 1);
    pthread_mutex_unlock(&handles_mutex);
    return handle;
}

struct handle *handle_get(uint64_t id)
{
    uint32_t slot = (uint32_t)id - 1;
    pthread_mutex_lock(&handles_mutex);
    struct handle *handle = slot < slot_count ? slots[slot] : NULL;
    if (handle != NULL && handle->id == id)
        handle->refs++;
    else
        handle = NULL;
    pthread_mutex_unlock(&handles_mutex);
    return handle;
}

void handle_keep(struct handle *handle)
{
    pthread_mutex_lock(&handles_mutex);
    handle->refs++;
    pthread_mutex_unlock(&handles_mutex);
}

/* The number is gone; the file object may live on in the cache. */
void handle_forget(struct handle *handle)
{
    uint32_t slot = (uint32_t)handle->id - 1;
    pthread_mutex_lock(&handles_mutex);
    if (slots[slot] == handle) {
        slots[slot] = NULL;
        if (slot < free_hint)
            free_hint = slot;
    }
    pthread_mutex_unlock(&handles_mutex);
}

void handle_release(struct handle *handle)
{
    pthread_mutex_lock(&handles_mutex);
    bool last = --handle->refs == 0;
    pthread_mutex_unlock(&handles_mutex);
    if (!last)
        return;
    nt_close(handle);
    struct volume *volume = handle->volume;
    node_release(handle->node);
    free(handle->pattern);
    free(handle->marker);
    free(handle);
    volume_release(volume);
}

int handles_open(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    int count = volume->open_handles;
    pthread_mutex_unlock(&volume->mutex);
    return count;
}

/* The three forms of a file context [ref 1.4 flags]: UserContext belongs to the name, UserContext2 to the open. */
void *file_context(struct handle *handle, struct fsp_full_context *full)
{
    full->user_context = handle->node->user_context;
    full->user_context2 = handle->user_context2;
    if (volume_has(handle->volume, FLAG_FILE_CONTEXT_IS_FULL_CONTEXT))
        return full;
    if (volume_has(handle->volume, FLAG_FILE_CONTEXT_IS_USER_CONTEXT2))
        return (void *)(uintptr_t)full->user_context2;
    return (void *)(uintptr_t)full->user_context;
}
