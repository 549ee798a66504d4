/* Locks and clocks. */
#include <time.h>

#include "standin.h"

void gate_init(struct gate *gate)
{
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
    gate->readers = 0;
    gate->writer = false;
}

void gate_destroy(struct gate *gate)
{
    pthread_mutex_destroy(&gate->mutex);
    pthread_cond_destroy(&gate->changed);
}

void gate_shared(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (gate->writer)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->readers++;
    pthread_mutex_unlock(&gate->mutex);
}

bool gate_shared_timed(struct gate *gate, uint32_t milliseconds)
{
    struct timespec until;
    deadline_after(&until, milliseconds);
    pthread_mutex_lock(&gate->mutex);
    int result = 0;
    while (gate->writer && result == 0)
        result = milliseconds == FOREVER ? pthread_cond_wait(&gate->changed, &gate->mutex)
                                         : pthread_cond_timedwait(&gate->changed, &gate->mutex, &until);
    bool entered = !gate->writer;
    if (entered)
        gate->readers++;
    pthread_mutex_unlock(&gate->mutex);
    return entered;
}

void gate_exclusive(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    while (gate->writer || gate->readers > 0)
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->writer = true;
    pthread_mutex_unlock(&gate->mutex);
}

void gate_release_shared(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->readers--;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

void gate_release_exclusive(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->writer = false;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t now_ms(void)
{
    return now_ns() / 1000000u;
}

void deadline_after(struct timespec *until, uint64_t milliseconds)
{
    clock_gettime(CLOCK_REALTIME, until);
    uint64_t ns = (uint64_t)until->tv_nsec + milliseconds % 1000 * 1000000u;
    until->tv_sec += (time_t)(milliseconds / 1000 + ns / 1000000000u);
    until->tv_nsec = (long)(ns % 1000000000u);
}

void sleep_ms(uint32_t milliseconds)
{
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
}
