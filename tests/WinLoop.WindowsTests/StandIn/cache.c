/* A model of the cache manager: pages per NAME, write-behind from several threads as constrained paging writes, also
   after Cleanup and after the name is gone. [ref 3.3] */
#include "standin.h"

#define RUN_PAGES 16 /* 64 KiB per paging request */

/* cache_mutex held. */
static void grow_pages(struct node *node, size_t count)
{
    if (count <= node->page_count)
        return;
    size_t wanted = node->page_count * 2 > count ? node->page_count * 2 : count;
    node->pages = realloc(node->pages, wanted * sizeof *node->pages);
    memset(node->pages + node->page_count, 0, (wanted - node->page_count) * sizeof *node->pages);
    node->page_count = wanted;
}

/* Reads missing pages; bytes behind the end are zeros. */
static status_t fill_pages(struct handle *handle, size_t first, size_t last)
{
    struct node *node = handle->node;
    for (size_t i = first; i <= last;) {
        pthread_mutex_lock(&node->cache_mutex);
        grow_pages(node, last + 1);
        while (i <= last && node->pages[i].data != NULL)
            i++;
        size_t end = i;
        while (end <= last && end - i < RUN_PAGES && node->pages[end].data == NULL)
            end++;
        pthread_mutex_unlock(&node->cache_mutex);
        if (i > last)
            break;
        uint32_t length = (uint32_t)(end - i) * PAGE_SIZE_, count = 0;
        uint8_t *buffer = calloc(1, length);
        atomic_fetch_add(&handle->volume->paging_reads, 1);
        status_t status = issue_read(handle, (uint64_t)i * PAGE_SIZE_, length, buffer, &count);
        if (status != ST_SUCCESS && status != ST_END_OF_FILE) {
            free(buffer);
            return status;
        }
        pthread_mutex_lock(&node->cache_mutex);
        for (size_t page = i; page < end; page++)
            if (node->pages[page].data == NULL) {
                node->pages[page].data = malloc(PAGE_SIZE_);
                memcpy(node->pages[page].data, buffer + (page - i) * PAGE_SIZE_, PAGE_SIZE_);
            }
        pthread_mutex_unlock(&node->cache_mutex);
        free(buffer);
        i = end;
    }
    return ST_SUCCESS;
}

/* node->io held shared. */
status_t cache_read(struct handle *handle, uint64_t offset, uint32_t length, uint8_t *buffer, uint32_t *transferred)
{
    struct node *node = handle->node;
    if (offset >= node->cached_size)
        return ST_END_OF_FILE;
    if (length > node->cached_size - offset)
        length = (uint32_t)(node->cached_size - offset);
    size_t first = offset / PAGE_SIZE_, last = (offset + length - 1) / PAGE_SIZE_;
    for (;;) {
        status_t status = fill_pages(handle, first, last);
        if (status != ST_SUCCESS)
            return status;
        bool complete = true;
        pthread_mutex_lock(&node->cache_mutex);
        for (size_t i = first; i <= last && complete; i++)
            complete = i < node->page_count && node->pages[i].data != NULL; /* a purge may have come between */
        for (uint32_t done = 0; complete && done < length;) {
            uint32_t in_page = (uint32_t)((offset + done) % PAGE_SIZE_);
            uint32_t part = PAGE_SIZE_ - in_page < length - done ? PAGE_SIZE_ - in_page : length - done;
            memcpy(buffer + done, node->pages[(offset + done) / PAGE_SIZE_].data + in_page, part);
            done += part;
        }
        pthread_mutex_unlock(&node->cache_mutex);
        if (complete)
            break;
    }
    *transferred = length;
    return ST_SUCCESS;
}

/* node->io held exclusive. */
status_t cache_write(struct handle *handle, uint64_t offset, const uint8_t *data, uint32_t length)
{
    struct node *node = handle->node;
    uint64_t old_size = node->cached_size, end = offset + length;
    if (end > old_size) {
        struct fsp_file_info info; /* [ref 3.3]: each extending cached write first sends SetFileSize */
        status_t status = issue_set_size(handle, end, false, &info);
        if (status != ST_SUCCESS)
            return status;
        node->cached_size = end;
        handle->did_resize = true;
    }
    size_t first = offset / PAGE_SIZE_, last = (end - 1) / PAGE_SIZE_;
    /* A page that is written in part has to be known first. */
    for (int edge = 0; edge < 2; edge++) {
        size_t page = edge == 0 ? first : last;
        uint64_t start = (uint64_t)page * PAGE_SIZE_;
        bool whole = offset <= start && end >= start + PAGE_SIZE_;
        if (!whole && start < old_size) {
            status_t status = fill_pages(handle, page, page);
            if (status != ST_SUCCESS)
                return status;
        }
    }
    pthread_mutex_lock(&node->cache_mutex);
    grow_pages(node, last + 1);
    for (uint32_t done = 0; done < length;) {
        struct page *page = &node->pages[(offset + done) / PAGE_SIZE_];
        uint32_t in_page = (uint32_t)((offset + done) % PAGE_SIZE_);
        uint32_t part = PAGE_SIZE_ - in_page < length - done ? PAGE_SIZE_ - in_page : length - done;
        if (page->data == NULL)
            page->data = calloc(1, PAGE_SIZE_);
        memcpy(page->data + in_page, data + done, part);
        if (!page->dirty) {
            page->dirty = true;
            node->dirty_pages++;
        }
        done += part;
    }
    if (node->keeper == NULL) { /* the cache holds the file object that began to write */
        handle_keep(handle);
        node->keeper = handle;
    }
    pthread_mutex_unlock(&node->cache_mutex);
    return ST_SUCCESS;
}

/* Writes one run of dirty pages. Returns false if there was none. Whole pages go out, also over the end of the file:
   the file system clamps [ref 3.1 Write: ConstrainedIo]. */
static bool write_run(struct node *node, size_t from, status_t *status)
{
    pthread_mutex_lock(&node->cache_mutex);
    size_t first = from;
    while (first < node->page_count && (!node->pages[first].dirty || node->pages[first].writing))
        first++;
    if (first >= node->page_count || node->keeper == NULL) {
        pthread_mutex_unlock(&node->cache_mutex);
        return false;
    }
    size_t end = first;
    while (end < node->page_count && end - first < RUN_PAGES && node->pages[end].dirty && !node->pages[end].writing)
        end++;
    uint32_t length = (uint32_t)(end - first) * PAGE_SIZE_, count;
    uint8_t *copy = malloc(length);
    for (size_t i = first; i < end; i++) {
        memcpy(copy + (i - first) * PAGE_SIZE_, node->pages[i].data, PAGE_SIZE_);
        node->pages[i].dirty = false;
        node->pages[i].writing = true;
    }
    node->dirty_pages -= end - first;
    node->writes_in_flight++;
    struct handle *keeper = node->keeper;
    pthread_mutex_unlock(&node->cache_mutex);

    struct fsp_file_info info;
    atomic_fetch_add(&node->volume->paging_writes, 1);
    status_t result = issue_write(keeper, (uint64_t)first * PAGE_SIZE_, false, true, copy, length, &count, &info);
    free(copy);
    if (result != ST_SUCCESS) { /* [ref 3.3]: errors in lazy writes are lost to the program that wrote */
        *status = result;
        atomic_fetch_add(&node->volume->lost_writes, 1);
        atomic_store(&node->volume->last_lost_status, result);
    }
    pthread_mutex_lock(&node->cache_mutex);
    for (size_t i = first; i < end && i < node->page_count; i++)
        node->pages[i].writing = false;
    node->writes_in_flight--;
    pthread_cond_broadcast(&node->cache_changed);
    pthread_mutex_unlock(&node->cache_mutex);
    return true;
}

status_t cache_flush(struct node *node)
{
    status_t status = ST_SUCCESS;
    do {
        while (write_run(node, 0, &status)) {
        }
        pthread_mutex_lock(&node->cache_mutex);
        while (node->writes_in_flight > 0)
            pthread_cond_wait(&node->cache_changed, &node->cache_mutex);
        pthread_mutex_unlock(&node->cache_mutex);
    } while (node->dirty_pages > 0);
    return status;
}

void cache_purge(struct node *node)
{
    pthread_mutex_lock(&node->cache_mutex);
    for (size_t i = 0; i < node->page_count; i++)
        if (!node->pages[i].dirty && !node->pages[i].writing) {
            free(node->pages[i].data);
            node->pages[i].data = NULL;
        }
    pthread_mutex_unlock(&node->cache_mutex);
}

void cache_set_size(struct node *node, uint64_t size)
{
    pthread_mutex_lock(&node->cache_mutex);
    size_t keep = (size + PAGE_SIZE_ - 1) / PAGE_SIZE_;
    for (size_t i = keep; i < node->page_count; i++) {
        while (node->pages[i].writing)
            pthread_cond_wait(&node->cache_changed, &node->cache_mutex);
        if (node->pages[i].dirty)
            node->dirty_pages--;
        node->pages[i].dirty = false;
        free(node->pages[i].data);
        node->pages[i].data = NULL;
    }
    if (size % PAGE_SIZE_ != 0 && keep <= node->page_count && node->pages[keep - 1].data != NULL)
        memset(node->pages[keep - 1].data + size % PAGE_SIZE_, 0, PAGE_SIZE_ - size % PAGE_SIZE_);
    node->cached_size = size;
    pthread_mutex_unlock(&node->cache_mutex);
}

void cache_forget(struct node *node)
{
    for (size_t i = 0; i < node->page_count; i++)
        free(node->pages[i].data);
    free(node->pages);
    node->pages = NULL;
    node->page_count = 0;
}

/* Gives the file object back when nothing is dirty and its handle is gone; its Close follows. */
void cache_drop_keeper(struct node *node)
{
    struct handle *dropped = NULL;
    pthread_mutex_lock(&node->cache_mutex);
    if (node->keeper != NULL && node->keeper->cleaned && node->dirty_pages == 0 && node->writes_in_flight == 0) {
        dropped = node->keeper;
        node->keeper = NULL;
    }
    pthread_mutex_unlock(&node->cache_mutex);
    if (dropped != NULL)
        handle_release(dropped);
}

/* One step of the lazy writer. */
size_t cache_write_some(struct volume *volume, size_t max_runs)
{
    size_t done = 0;
    while (done < max_runs) {
        struct node *found = NULL;
        pthread_mutex_lock(&volume->mutex);
        for (struct node *node = volume->all_nodes; node != NULL && found == NULL; node = node->all_next)
            if (node->dirty_pages > 0)
                found = node;
        if (found != NULL)
            found->refs++;
        pthread_mutex_unlock(&volume->mutex);
        if (found == NULL)
            break;
        status_t ignored;
        bool wrote = write_run(found, 0, &ignored);
        cache_drop_keeper(found);
        node_release(found);
        if (!wrote)
            break; /* others are at it */
        done++;
    }
    return done;
}

size_t cache_dirty_pages(struct volume *volume)
{
    size_t pages = 0;
    pthread_mutex_lock(&volume->mutex);
    for (struct node *node = volume->all_nodes; node != NULL; node = node->all_next)
        pages += node->dirty_pages;
    pthread_mutex_unlock(&volume->mutex);
    return pages;
}

static void *lazy_thread(void *argument)
{
    struct volume *volume = argument;
    pthread_mutex_lock(&volume->mutex);
    while (volume->running && !volume->stopping) {
        if (volume->lazy_interval == 0)
            pthread_cond_wait(&volume->lazy_wake, &volume->mutex);
        else {
            struct timespec until;
            deadline_after(&until, volume->lazy_interval);
            pthread_cond_timedwait(&volume->lazy_wake, &volume->mutex, &until);
        }
        bool writes = volume->lazy_interval != 0 && volume->running && !volume->stopping;
        pthread_mutex_unlock(&volume->mutex);
        if (writes)
            cache_write_some(volume, 64);
        pthread_mutex_lock(&volume->mutex);
    }
    pthread_mutex_unlock(&volume->mutex);
    return NULL;
}

/* [ref 3.3]: write-behind comes from several threads. */
void cache_start(struct volume *volume)
{
    if (volume->params.file_info_timeout != FOREVER)
        return;
    for (volume->lazy_count = 0; volume->lazy_count < LAZY_WRITERS; volume->lazy_count++)
        if (pthread_create(&volume->lazy_threads[volume->lazy_count], NULL, lazy_thread, volume) != 0)
            abort();
}

/* What is dirty now is lost with the volume; the file objects go without a Close. */
void cache_stop(struct volume *volume)
{
    pthread_mutex_lock(&volume->mutex);
    pthread_cond_broadcast(&volume->lazy_wake);
    pthread_mutex_unlock(&volume->mutex);
    for (int i = 0; i < volume->lazy_count; i++)
        pthread_join(volume->lazy_threads[i], NULL);
    volume->lazy_count = 0;
    for (;;) {
        struct handle *keeper = NULL;
        struct node *found = NULL;
        pthread_mutex_lock(&volume->mutex);
        for (struct node *node = volume->all_nodes; node != NULL && found == NULL; node = node->all_next)
            if (node->keeper != NULL)
                found = node;
        if (found != NULL)
            found->refs++;
        pthread_mutex_unlock(&volume->mutex);
        if (found == NULL)
            break;
        pthread_mutex_lock(&found->cache_mutex);
        keeper = found->keeper;
        found->keeper = NULL;
        if (found->dirty_pages > 0)
            atomic_fetch_add(&volume->lost_writes, found->dirty_pages);
        found->dirty_pages = 0;
        for (size_t i = 0; i < found->page_count; i++)
            found->pages[i].dirty = false;
        pthread_mutex_unlock(&found->cache_mutex);
        node_release(found);
        if (keeper != NULL)
            handle_release(keeper);
    }
}
