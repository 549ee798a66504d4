/* The model's own structures. One volume = one FSP_FILE_SYSTEM; a node = one NAME that is open [ref 3.3];
   a handle = one file object of a simulated process. */
#ifndef STANDIN_H
#define STANDIN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fsp_abi.h"
#include "nt.h"

#define PATH_UNITS_MAX 1023       /* [ref 1.4] FSP_FSCTL_TRANSACT_PATH_SIZEMAX */
#define REPLY_MAX (16384 - 128)   /* [ref 1.4] descriptor, EA and reparse data */
#define DIRECTORY_BUFFER_MAX 65536 /* [ref 3.1] */
#define PAGE_SIZE_ 4096u
#define FIRST_SECURITY_SIZE 1024  /* [ref 3.1] GetSecurityByName: first try */
#define FOREVER 0xFFFFFFFFu

/* sync.c: a reader/writer lock that may be released by another thread (NotifyEnd does that). */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int readers;
    bool writer;
};
void gate_init(struct gate *);
void gate_destroy(struct gate *);
void gate_shared(struct gate *);
void gate_exclusive(struct gate *);
bool gate_shared_timed(struct gate *, uint32_t milliseconds);
void gate_release_shared(struct gate *);
void gate_release_exclusive(struct gate *);
uint64_t now_ms(void);
uint64_t now_ns(void);
void deadline_after(struct timespec *, uint64_t milliseconds);
void sleep_ms(uint32_t milliseconds);

struct token {
    uint32_t client;
    uint32_t privileges;
    uint8_t user[68], group[68]; /* binary SIDs */
    uint8_t groups[16][68];
    int group_count;
};

struct byte_lock {
    struct byte_lock *next;
    struct handle *owner;
    uint64_t offset, length;
    uint32_t key;
    bool exclusive;
};

struct page {
    uint8_t *data;
    bool dirty, writing;
};

struct node {
    struct node *next, *all_next, **all_link;
    struct volume *volume;
    wch *name; /* as it is on the volume, NUL-terminated */
    wch *key;  /* folded when the volume is insensitive */
    int refs;  /* handles, kept file objects and running operations */
    int handles; /* not yet cleaned up */
    bool in_table, is_directory, delete_pending, deleted;
    uint64_t user_context;
    int sharers, share_readers, share_writers, share_deleters, allow_read, allow_write, allow_delete;
    struct gate io; /* [ref 3.8] reads shared, writes exclusive */
    struct fsp_file_info info;
    uint64_t info_until;
    bool info_valid;
    struct byte_lock *locks;
    pthread_mutex_t cache_mutex;
    pthread_cond_t cache_changed;
    struct page *pages;
    size_t page_count;
    _Atomic size_t dirty_pages;
    int writes_in_flight;
    uint64_t cached_size; /* the size that the cache manager believes */
    struct handle *keeper; /* file object that the cache holds, also after its Cleanup */
    bool cache_ready;      /* cached_size is known */
};

struct handle {
    uint64_t id;
    int refs;
    struct volume *volume;
    struct node *node;
    uint64_t user_context2;
    uint32_t access, share, options, client;
    bool cached, cleaned, closed, is_directory, delete_on_close, posix_delete;
    bool did_read, did_write, did_resize, did_change, keeps_write_time, keeps_access_time, keeps_change_time;
    wch *pattern;
    wch *marker;
    bool listing_started, listing_ended;
};

/* One operation on an open file, with whatever its callback takes. */
struct work;
typedef status_t (*work_function)(struct volume *, struct work *);
struct work {
    struct work *next, *next_pending;
    work_function run;
    uint32_t kind, client;
    struct fsp_request request;
    struct fsp_response response;
    bool may_pend, returned, responded, cancelled;
    status_t status;
};

struct file_work {
    struct work work;
    struct handle *handle;
    uint8_t *buffer;
    const uint8_t *input;
    wch *name, *second_name;
    size_t size;
    uint32_t length, input_length, transferred, flags;
    uint64_t times[4];
    struct fsp_file_info info;
};

enum { KIND_CREATE = 1, KIND_OVERWRITE, KIND_CLEANUP, KIND_CLOSE, KIND_READ, KIND_WRITE, KIND_QUERY_INFORMATION,
    KIND_SET_INFORMATION, KIND_QUERY_EA, KIND_SET_EA, KIND_FLUSH_BUFFERS, KIND_QUERY_VOLUME, KIND_SET_VOLUME,
    KIND_QUERY_DIRECTORY, KIND_FILE_SYSTEM_CONTROL, KIND_DEVICE_CONTROL, KIND_SHUTDOWN, KIND_LOCK_CONTROL,
    KIND_QUERY_SECURITY, KIND_SET_SECURITY, KIND_QUERY_STREAMS };

#define NODE_BUCKETS 1024
#define TRACE_ENTRIES 4096
#define MAX_DISPATCHERS 64
#define LAZY_WRITERS 3

struct change {
    struct change *next;
    uint32_t filter, action;
    wch *name;
};

struct volume {
    union {
        struct {
            uint16_t version;
            void *user_context; /* at 8: bindings read and write it there [ref 1.4] */
        };
        uint8_t public_part[792];
    };
    uint32_t id;
    int refs;
    struct volume *next;
    struct fsp_volume_params params;
    struct fsp_interface table; /* a copy: the table is constant for the volume's life */
    wch *mount_point;
    pthread_mutex_t mutex; /* nodes, handles, queue */
    pthread_cond_t work_ready, work_done;
    struct work *queue_head, *queue_tail, *pending;
    pthread_t dispatchers[MAX_DISPATCHERS];
    int dispatcher_count, dispatchers_running;
    bool running, stopping, lost;
    struct node *nodes[NODE_BUCKETS];
    struct node *all_nodes; /* also those whose name is gone */
    int open_handles;
    struct gate renames; /* creates shared, renames exclusive, notify sessions shared */
    struct gate guard;
    int guard_strategy; /* 0 fine, 1 coarse, -1 off */
    bool in_notify;
    pthread_t lazy_threads[LAZY_WRITERS];
    int lazy_count;
    pthread_cond_t lazy_wake;
    uint32_t lazy_interval;
    _Atomic uint64_t calls[SLOT_COUNT];
    _Atomic uint64_t cached_reads, cached_writes, paging_reads, paging_writes, lost_writes;
    _Atomic uint32_t last_lost_status;
    _Atomic uint64_t contexts_open;
    pthread_mutex_t trace_mutex;
    bool tracing;
    struct { uint32_t slot; status_t status; } trace[TRACE_ENTRIES];
    uint32_t trace_count;
    struct change *changes, **changes_tail;
};
_Static_assert(offsetof(struct volume, user_context) == 8, "UserContext");
_Static_assert(offsetof(struct volume, id) == 792, "FSP_FILE_SYSTEM");

/* Makes one callback: counts it, and notes it when tracing. */
void note_call(struct volume *, int slot, status_t);
#define CALL(volume, slot, member, ...) \
    ({ status_t st_ = (volume)->table.member((volume), __VA_ARGS__); note_call((volume), (slot), st_); st_; })

/* volume.c */
extern pthread_mutex_t volumes_mutex;
struct volume *volume_get(uint32_t id); /* 0 = the newest; takes a reference */
struct volume *volume_find(const wch *mount_point);
int volume_list(struct volume **, int max); /* takes references */
void volume_release(struct volume *);
bool volume_has(const struct volume *, uint32_t flag);
void volume_log_change(struct volume *, uint32_t filter, uint32_t action, const wch *name);

/* text.c */
size_t wlen(const wch *);
wch *wdup(const wch *, size_t units);
wch fold(wch);
int wcompare_folded(const wch *, const wch *);
bool wequal(const wch *, const wch *);
bool name_matches(const wch *pattern, size_t pattern_length, const wch *name, size_t name_length, bool fold_case);
bool has_wildcards(const wch *pattern);
status_t check_path(const struct volume *, const wch *path, bool *trailing_backslash);
size_t parent_length(const wch *path); /* units of the parent's path; 1 for the root */

/* dispatcher.c */
status_t dispatch(struct volume *, struct work *);
struct fsp_operation_context *current_context(void);
uint32_t current_client(void);
void context_enter(struct fsp_request *, struct fsp_response *, uint32_t client);
void context_leave(void);
void dispatcher_lose(struct volume *);
bool dispatcher_cancel_pending(struct volume *);

enum guard_kind { GUARD_NONE, GUARD_SHARED, GUARD_EXCLUSIVE };
void guard_enter(struct volume *, enum guard_kind);
void guard_leave(struct volume *, enum guard_kind);

/* open_table.c */
struct node *node_enter(struct volume *, const wch *name); /* takes a reference; volume->mutex held */
struct node *node_find(struct volume *, const wch *name);
void node_leave_table(struct node *);
void node_release(struct node *);
void node_rename(struct node *, const wch *name);
bool node_name_below(struct volume *, const struct node *, const wch *folder);
status_t share_check(struct node *, uint32_t access, uint32_t share);
void share_add(struct node *, uint32_t access, uint32_t share);
void share_remove(struct node *, uint32_t access, uint32_t share);
void node_set_info(struct node *, const struct fsp_file_info *);
struct handle *handle_new(struct volume *, struct node *, uint32_t client);
struct handle *handle_get(uint64_t id); /* takes a reference */
void handle_keep(struct handle *);
void handle_release(struct handle *);
void handle_forget(struct handle *);
void *file_context(struct handle *, struct fsp_full_context *);
int handles_open(struct volume *);

/* security.c */
struct token *token_for(uint32_t client, struct token *into);
void token_set(const struct token *);
uint32_t map_generic(uint32_t access);
status_t access_check(const uint8_t *sd, size_t size, const struct token *, uint32_t desired, uint32_t options,
    uint32_t *granted);
bool sd_valid(const uint8_t *sd, size_t size);
size_t sd_length(const uint8_t *sd);
uint8_t *sd_inherit(const uint8_t *parent, const uint8_t *creator, const struct token *, bool is_directory,
    size_t *size);
uint8_t *sd_merge(const uint8_t *old, uint32_t information, const uint8_t *modification, size_t *size);

/* The protocol's view of one request and its answer. */
struct call {
    uint32_t op, client, volume_id;
    uint64_t handle;
    uint32_t a[8];
    uint64_t q[4];
    const uint8_t *blob[3];
    uint32_t blob_length[3];
};
struct answer {
    status_t status;
    uint64_t handle;
    uint32_t r[6];
    uint64_t v[4];
    struct fsp_file_info info;
    uint8_t *blob; /* room for capacity bytes */
    uint32_t blob_length, capacity;
};

/* create.c, cleanup.c */
status_t nt_create(struct volume *, const struct call *, const wch *path, struct answer *);
void nt_cleanup(struct handle *);
void nt_close(struct handle *);
void close_context(struct volume *, uint32_t client, uint64_t user_context, uint64_t user_context2);
status_t open_context(struct volume *, uint32_t client, const wch *path, uint32_t options, uint32_t access,
    uint64_t *user_context, uint64_t *user_context2, struct fsp_file_info *, wch **leads_to);

/* access.c: inside a dispatcher's operation */
status_t security_by_name(struct volume *, const wch *path, uint32_t *attributes, uint8_t **sd, size_t *size);
status_t access_check_path(struct volume *, const wch *path, bool of_parent, uint32_t desired, uint32_t options,
    const struct token *, uint32_t *attributes, uint32_t *granted, uint8_t **sd);

/* io.c, cache.c */
status_t nt_read(struct handle *, uint64_t offset, uint32_t length, uint8_t *buffer, uint32_t *transferred);
status_t nt_write(struct handle *, uint64_t offset, bool to_end, const uint8_t *data, uint32_t length,
    uint32_t *transferred, struct fsp_file_info *);
status_t nt_flush(struct handle *, struct fsp_file_info *);
status_t nt_flush_volume(struct volume *, uint32_t client);
status_t issue_read(struct handle *, uint64_t offset, uint32_t length, uint8_t *buffer, uint32_t *transferred);
status_t issue_write(struct handle *, uint64_t offset, bool to_end, bool constrained, const uint8_t *data,
    uint32_t length, uint32_t *transferred, struct fsp_file_info *);
status_t issue_set_size(struct handle *, uint64_t size, bool is_allocation, struct fsp_file_info *);
status_t cache_read(struct handle *, uint64_t offset, uint32_t length, uint8_t *buffer, uint32_t *transferred);
status_t cache_write(struct handle *, uint64_t offset, const uint8_t *data, uint32_t length);
status_t cache_flush(struct node *);
void cache_purge(struct node *);
void cache_set_size(struct node *, uint64_t size);
void cache_forget(struct node *);
void cache_drop_keeper(struct node *);
size_t cache_write_some(struct volume *, size_t max_runs);
void cache_start(struct volume *);
void cache_stop(struct volume *);
size_t cache_dirty_pages(struct volume *);
bool lock_conflicts(struct handle *, uint64_t offset, uint64_t length, bool for_write);

/* info.c, rename_delete.c, directory.c, ... each serves protocol operations */
status_t nt_query_info(struct handle *, struct fsp_file_info *);
status_t nt_set_basic(struct handle *, const struct call *, struct answer *);
status_t nt_set_size(struct handle *, uint64_t size, bool is_allocation, struct answer *);
status_t nt_set_disposition(struct handle *, uint32_t flags, bool extended);
status_t nt_rename(struct handle *, const wch *target, uint32_t flags);
status_t nt_query_directory(struct handle *, const struct call *, const wch *pattern, struct answer *);
status_t nt_query_security(struct handle *, uint32_t information, struct answer *);
status_t nt_set_security(struct handle *, uint32_t information, const uint8_t *sd, uint32_t length);
status_t nt_query_ea(struct handle *, struct answer *);
status_t nt_set_ea(struct handle *, const uint8_t *list, uint32_t length, struct answer *);
status_t ea_prepare(struct volume *, const uint8_t *list, uint32_t length, uint8_t **prepared);
status_t nt_query_streams(struct handle *, struct answer *);
status_t nt_get_reparse(struct handle *, struct answer *);
status_t nt_set_reparse(struct handle *, const uint8_t *data, uint32_t length);
status_t nt_delete_reparse(struct handle *, const uint8_t *data, uint32_t length);
status_t nt_lock(struct handle *, const struct call *, bool unlock);
void locks_drop(struct handle *);
status_t nt_query_volume(struct volume *, uint32_t client, struct answer *);
status_t nt_set_label(struct volume *, uint32_t client, const wch *label, struct answer *);
status_t nt_control(struct handle *, const struct call *, struct answer *);
status_t bench(struct volume *, const struct call *, const wch *path, struct answer *);
void notify_invalidate(struct volume *, const wch *name);

/* protocol.c, service.c, server_tcp.c */
EXPORT int standin_transact(const uint8_t *in, int in_length, uint8_t *out, int out_capacity);
void server_start(void);
bool service_stop_all(void);

#endif
