/* The dispatcher: a pool of threads that take requests and make the callbacks, the operation context in thread-local
   storage, the operation guard, and requests that are answered later. [ref 3.8, 1.4] */
#include "standin.h"

static _Thread_local struct fsp_operation_context thread_context;
static _Thread_local struct fsp_operation_context *thread_context_current;
static _Thread_local uint32_t thread_client;
static _Atomic uint64_t next_hint = 1;

struct fsp_operation_context *current_context(void)
{
    return thread_context_current;
}

uint32_t current_client(void)
{
    return thread_client;
}

void context_enter(struct fsp_request *request, struct fsp_response *response, uint32_t client)
{
    thread_context.request = request;
    thread_context.response = response;
    thread_context_current = &thread_context;
    thread_client = client;
}

void context_leave(void)
{
    thread_context_current = NULL;
    thread_client = 0;
}

/* [ref 3.8]: the guard is the DLL's own; FspFileSystemSetOperationGuardF(fs, NULL, NULL) switches it off. */
void guard_enter(struct volume *volume, enum guard_kind kind)
{
    if (volume->guard_strategy == 1)
        gate_exclusive(&volume->guard);
    else if (volume->guard_strategy == 0 && kind == GUARD_EXCLUSIVE)
        gate_exclusive(&volume->guard);
    else if (volume->guard_strategy == 0 && kind == GUARD_SHARED)
        gate_shared(&volume->guard);
}

void guard_leave(struct volume *volume, enum guard_kind kind)
{
    if (volume->guard_strategy == 1 || (volume->guard_strategy == 0 && kind == GUARD_EXCLUSIVE))
        gate_release_exclusive(&volume->guard);
    else if (volume->guard_strategy == 0 && kind == GUARD_SHARED)
        gate_release_shared(&volume->guard);
}

/* volume->mutex held. */
static void pending_remove(struct volume *volume, struct work *work)
{
    for (struct work **link = &volume->pending; *link != NULL; link = &(*link)->next_pending)
        if (*link == work) {
            *link = work->next_pending;
            return;
        }
}

static void *dispatcher_thread(void *argument)
{
    struct volume *volume = argument;
    pthread_mutex_lock(&volume->mutex);
    for (;;) {
        while (volume->queue_head == NULL && !volume->stopping)
            pthread_cond_wait(&volume->work_ready, &volume->mutex);
        struct work *work = volume->queue_head;
        if (work == NULL || volume->lost)
            break;
        volume->queue_head = work->next;
        if (volume->queue_head == NULL)
            volume->queue_tail = NULL;
        pthread_mutex_unlock(&volume->mutex);

        context_enter(&work->request, &work->response, work->client);
        status_t status = work->run(volume, work);
        context_leave();

        pthread_mutex_lock(&volume->mutex);
        if (status == ST_PENDING && !work->may_pend)
            status = ST_INTERNAL_ERROR; /* [ref 3.8]: only Read, Write and ReadDirectory may be answered later */
        if (status != ST_PENDING)
            pending_remove(volume, work);
        work->status = status;
        work->returned = true;
        pthread_cond_broadcast(&volume->work_done);
    }
    bool last = --volume->dispatchers_running == 0;
    bool normally = !volume->lost;
    pthread_mutex_unlock(&volume->mutex);
    /* [ref 3.1 DispatcherStopped]: the last call; not normally = the driver went away. */
    if (last && volume->table.dispatcher_stopped != NULL) {
        atomic_fetch_add(&volume->calls[SLOT_DISPATCHER_STOPPED], 1);
        volume->table.dispatcher_stopped(volume, normally);
    }
    return NULL;
}

/* Hands one request to the dispatcher and waits for its answer. */
status_t dispatch(struct volume *volume, struct work *work)
{
    work->request.version = work->request.size = sizeof work->request;
    work->request.kind = work->kind;
    work->request.hint = atomic_fetch_add(&next_hint, 1);
    work->response.version = work->response.size = sizeof work->response;
    work->response.kind = work->kind;
    work->response.hint = work->request.hint;
    work->next = NULL;

    pthread_mutex_lock(&volume->mutex);
    if (!volume->running || volume->stopping) {
        pthread_mutex_unlock(&volume->mutex);
        return ST_VOLUME_DISMOUNTED;
    }
    if (work->may_pend) {
        work->next_pending = volume->pending;
        volume->pending = work;
    }
    if (volume->queue_tail != NULL)
        volume->queue_tail->next = work;
    else
        volume->queue_head = work;
    volume->queue_tail = work;
    pthread_cond_signal(&volume->work_ready);

    /* [ref 3.8]: pending requests expire after IrpTimeout, 60 s to 10 min, 5 min by default. */
    uint32_t timeout = volume->params.irp_timeout;
    timeout = timeout == 0 ? 300000 : timeout < 60000 ? 60000 : timeout > 600000 ? 600000 : timeout;
    struct timespec until;
    deadline_after(&until, timeout);
    bool expired = false;
    while (!work->cancelled && !expired
        && !(work->returned && (work->status != ST_PENDING || work->responded)))
        expired = pthread_cond_timedwait(&volume->work_done, &volume->mutex, &until) != 0
            && work->returned && work->status == ST_PENDING;
    pending_remove(volume, work);
    status_t status = work->cancelled ? ST_CANCELLED
        : expired && !work->responded ? ST_IO_TIMEOUT
        : work->status != ST_PENDING ? work->status
                                     : work->response.status;
    pthread_mutex_unlock(&volume->mutex);
    return status;
}

/* [ref 1.4, 3.8]: the answer to a request that returned STATUS_PENDING, found by its hint; it may come before the
   callback has returned. */
EXPORT void FspFileSystemSendResponse(struct volume *volume, struct fsp_response *response)
{
    pthread_mutex_lock(&volume->mutex);
    for (struct work *work = volume->pending; work != NULL; work = work->next_pending)
        if (work->request.hint == response->hint && work->kind == response->kind && !work->responded) {
            size_t size = response->size < sizeof *response ? response->size : sizeof *response;
            memcpy(&work->response, response, size);
            work->responded = true;
            pthread_cond_broadcast(&volume->work_done);
            break;
        }
    pthread_mutex_unlock(&volume->mutex);
}

/* [ref 3.8]: 0 threads = as many as processors, clamped to 4..16; at least 2. */
EXPORT status_t FspFileSystemStartDispatcher(struct volume *volume, uint32_t thread_count)
{
    if (thread_count == 0)
        thread_count = 4;
    if (thread_count < 2)
        thread_count = 2;
    if (thread_count > MAX_DISPATCHERS)
        thread_count = MAX_DISPATCHERS;
    pthread_mutex_lock(&volume->mutex);
    if (volume->running || volume->stopping) {
        pthread_mutex_unlock(&volume->mutex);
        return ST_INVALID_PARAMETER;
    }
    volume->running = true;
    volume->dispatcher_count = volume->dispatchers_running = (int)thread_count;
    pthread_mutex_unlock(&volume->mutex);
    for (uint32_t i = 0; i < thread_count; i++)
        if (pthread_create(&volume->dispatchers[i], NULL, dispatcher_thread, volume) != 0)
            abort();
    cache_start(volume);
    return ST_SUCCESS;
}

static void cancel_waiting(struct volume *volume)
{
    for (struct work *work = volume->pending; work != NULL; work = work->next_pending)
        if (work->returned && !work->responded)
            work->cancelled = true;
    if (volume->lost)
        for (struct work *work = volume->queue_head; work != NULL; work = work->next)
            work->cancelled = true;
    if (volume->lost)
        volume->queue_head = volume->queue_tail = NULL;
    pthread_cond_broadcast(&volume->work_done);
}

/* [ref 3.1 Close, 3.10]: files that are open at unmount get no Close, and what the cache still holds is lost. */
EXPORT void FspFileSystemStopDispatcher(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    if (!volume->running || volume->dispatcher_count == 0) {
        pthread_mutex_unlock(&volume->mutex);
        return;
    }
    int count = volume->dispatcher_count;
    volume->dispatcher_count = 0;
    volume->stopping = true;
    pthread_cond_broadcast(&volume->work_ready);
    cancel_waiting(volume);
    pthread_mutex_unlock(&volume->mutex);
    for (int i = 0; i < count; i++)
        pthread_join(volume->dispatchers[i], NULL);
    pthread_mutex_lock(&volume->mutex);
    cancel_waiting(volume);
    volume->running = false;
    pthread_mutex_unlock(&volume->mutex);
    cache_stop(volume);
}

/* As if the driver had been unloaded under the file system. */
void dispatcher_lose(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    if (volume->running && !volume->stopping) {
        volume->lost = volume->stopping = true;
        cancel_waiting(volume);
        pthread_cond_broadcast(&volume->work_ready);
    }
    pthread_mutex_unlock(&volume->mutex);
}

EXPORT struct fsp_operation_context *FspFileSystemGetOperationContext(void)
{
    return thread_context_current;
}

EXPORT uint32_t FspFileSystemOperationProcessIdF(void)
{
    return thread_client;
}

EXPORT void FspFileSystemSetOperationGuardStrategyF(struct volume *volume, int strategy)
{
    volume->guard_strategy = strategy != 0 ? 1 : 0;
}

typedef status_t (*guard_function)(struct volume *, struct fsp_request *, struct fsp_response *);

EXPORT void FspFileSystemSetOperationGuardF(struct volume *volume, guard_function enter, guard_function leave)
{
    (void)leave;
    if (enter == NULL)
        volume->guard_strategy = -1; /* a guard of the file system's own is not modelled */
}
