/* The same protocol over loopback TCP, when WINLOOP_STANDIN_PORT_FILE names a file for the port's number. Each
   connection has a thread; request and answer begin with their size. */
#if defined(_WIN32)
#include <winsock2.h>
#include <ws2tcpip.h>
typedef int socklen;
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
typedef int SOCKET;
typedef socklen_t socklen;
#define INVALID_SOCKET (-1)
#define closesocket close
#endif
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not standin.h: Windows' headers have its names too. */
int standin_transact(const uint8_t *in, int in_length, uint8_t *out, int out_capacity);
void server_start(void);

#define MESSAGE_MAX (16u << 20)
#define ANSWER_MAX (4u << 20)

static bool receive_all(SOCKET socket, uint8_t *data, size_t length)
{
    while (length > 0) {
        int count = (int)recv(socket, (char *)data, (int)length, 0);
        if (count <= 0)
            return false;
        data += count;
        length -= (size_t)count;
    }
    return true;
}

static bool send_all(SOCKET socket, const uint8_t *data, size_t length)
{
    while (length > 0) {
        int count = (int)send(socket, (const char *)data, (int)length, 0);
        if (count <= 0)
            return false;
        data += count;
        length -= (size_t)count;
    }
    return true;
}

static void *serve_connection(void *argument)
{
    SOCKET socket = (SOCKET)(intptr_t)argument;
    int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on);
    uint8_t *answer = malloc(ANSWER_MAX);
    for (;;) {
        uint32_t size;
        if (!receive_all(socket, (uint8_t *)&size, 4) || size < 8 || size > MESSAGE_MAX)
            break;
        uint8_t *request = malloc(size);
        memcpy(request, &size, 4);
        bool complete = receive_all(socket, request + 4, size - 4);
        int length = complete ? standin_transact(request, (int)size, answer, ANSWER_MAX) : -1;
        free(request);
        if (length < 0 || !send_all(socket, answer, (size_t)length))
            break;
    }
    free(answer);
    closesocket(socket);
    return NULL;
}

static void *serve_port(void *argument)
{
    SOCKET listener = (SOCKET)(intptr_t)argument;
    for (;;) {
        SOCKET connection = accept(listener, NULL, NULL);
        pthread_t thread;
        if (connection == INVALID_SOCKET)
            return NULL;
        if (pthread_create(&thread, NULL, serve_connection, (void *)(intptr_t)connection) == 0)
            pthread_detach(thread);
        else
            closesocket(connection);
    }
}

static void start_once(void)
{
    const char *file = getenv("WINLOOP_STANDIN_PORT_FILE");
    if (file == NULL || file[0] == 0)
        return;
#if defined(_WIN32)
    WSADATA data;
    if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
        return;
#endif
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen length = sizeof address;
    SOCKET listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    if (listener == INVALID_SOCKET || bind(listener, (struct sockaddr *)&address, sizeof address) != 0
        || listen(listener, 16) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0
        || pthread_create(&thread, NULL, serve_port, (void *)(intptr_t)listener) != 0)
        return;
    pthread_detach(thread);
    /* Written whole and then renamed, so that a reader never sees half a number. */
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", file);
    FILE *out = fopen(temporary, "wb");
    if (out == NULL)
        return;
    fprintf(out, "%u\n", (unsigned)ntohs(address.sin_port));
    fclose(out);
#if defined(_WIN32)
    MoveFileExA(temporary, file, MOVEFILE_REPLACE_EXISTING);
#else
    rename(temporary, file);
#endif
}

void server_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_once);
}
