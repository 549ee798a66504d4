/* FspService in console mode: start, wait for a stop, stop. [ref 3.10] */
#include <signal.h>
#include <stdio.h>

#include "standin.h"

struct service {
    union {
        struct {
            uint16_t version;
            void *user_context; /* the same head as FSP_FILE_SYSTEM [ref 1.4] */
        };
        uint8_t public_part[792];
    };
    status_t (*on_start)(struct service *, uint32_t argc, wch **argv);
    status_t (*on_stop)(struct service *);
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stop_asked;
    uint32_t exit_code;
    struct service *next;
};

static pthread_mutex_t services_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct service *services;

EXPORT status_t FspServiceCreate(wch *name, void *on_start, void *on_stop, void *on_control, struct service **result)
{
    (void)name;
    (void)on_control;
    struct service *service = calloc(1, sizeof *service);
    service->version = 792;
    service->on_start = (status_t(*)(struct service *, uint32_t, wch **))on_start;
    service->on_stop = (status_t(*)(struct service *))on_stop;
    pthread_mutex_init(&service->mutex, NULL);
    pthread_cond_init(&service->changed, NULL);
    pthread_mutex_lock(&services_mutex);
    service->next = services;
    services = service;
    pthread_mutex_unlock(&services_mutex);
    *result = service;
    return ST_SUCCESS;
}

EXPORT void FspServiceDelete(struct service *service)
{
    if (service == NULL)
        return;
    pthread_mutex_lock(&services_mutex);
    for (struct service **link = &services; *link != NULL; link = &(*link)->next)
        if (*link == service) {
            *link = service->next;
            break;
        }
    pthread_mutex_unlock(&services_mutex);
    pthread_mutex_destroy(&service->mutex);
    pthread_cond_destroy(&service->changed);
    free(service);
}

EXPORT void FspServiceAllowConsoleMode(struct service *service)
{
    (void)service;
}

EXPORT void FspServiceRequestTime(struct service *service, uint32_t time)
{
    (void)service;
    (void)time;
}

EXPORT void FspServiceSetExitCode(struct service *service, uint32_t exit_code)
{
    service->exit_code = exit_code;
}

EXPORT uint32_t FspServiceGetExitCode(struct service *service)
{
    return service->exit_code;
}

EXPORT void FspServiceStop(struct service *service)
{
    pthread_mutex_lock(&service->mutex);
    service->stop_asked = true;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->mutex);
}

/* Returns false if no service runs here. */
bool service_stop_all(void)
{
    pthread_mutex_lock(&services_mutex);
    bool any = services != NULL;
    for (struct service *service = services; service != NULL; service = service->next)
        FspServiceStop(service);
    pthread_mutex_unlock(&services_mutex);
    return any;
}

/* [ref 3.10]: console mode. The command line is the host's own business, it gets none from here. */
EXPORT status_t FspServiceLoop(struct service *service)
{
    static wch name[] = {'s', 't', 'a', 'n', 'd', '-', 'i', 'n', 0};
    wch *argv[] = {name, NULL};
    status_t status = service->on_start != NULL ? service->on_start(service, 1, argv) : ST_SUCCESS;
    if (FAILED(status))
        return status;
    pthread_mutex_lock(&service->mutex);
    while (!service->stop_asked)
        pthread_cond_wait(&service->changed, &service->mutex);
    pthread_mutex_unlock(&service->mutex);
    return service->on_stop != NULL ? service->on_stop(service) : ST_SUCCESS;
}

EXPORT void FspServiceLog(uint32_t type, wch *format, ...)
{
    (void)type;
    (void)format;
}

/* [ref 3.10]: DispatcherStopped(false) -> the service stops. */
EXPORT void FspFileSystemStopServiceIfNecessary(struct volume *volume, boolean8 normally)
{
    (void)volume;
    if (!normally)
        service_stop_all();
}
