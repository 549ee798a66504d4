/* The rest of the 46 exports [ref 1.2]: version, status conversion, logging. */
#include <stdlib.h>

#include "standin.h"

/* [ref 1]: major version in the upper half. WINLOOP_STANDIN_VERSION (hexadecimal) makes an old or a new one. */
EXPORT status_t FspVersion(uint32_t *version)
{
    const char *asked = getenv("WINLOOP_STANDIN_VERSION");
    *version = asked != NULL ? (uint32_t)strtoul(asked, NULL, 16) : 0x00020002;
    return ST_SUCCESS;
}

static const struct { uint32_t win32; status_t status; } codes[] = {
    {0, ST_SUCCESS}, {1, ST_INVALID_DEVICE_REQUEST}, {2, ST_OBJECT_NAME_NOT_FOUND}, {3, ST_OBJECT_PATH_NOT_FOUND},
    {5, ST_ACCESS_DENIED}, {6, ST_INVALID_HANDLE}, {8, ST_NO_MEMORY}, {18, ST_NO_MORE_FILES},
    {19, ST_MEDIA_WRITE_PROTECTED}, {32, ST_SHARING_VIOLATION}, {33, ST_FILE_LOCK_CONFLICT}, {38, ST_END_OF_FILE},
    {50, ST_NOT_SUPPORTED}, {87, ST_INVALID_PARAMETER}, {112, 0xC000007F}, {122, ST_BUFFER_TOO_SMALL},
    {123, ST_OBJECT_NAME_INVALID}, {145, 0xC0000101}, {183, ST_OBJECT_NAME_COLLISION}, {234, ST_BUFFER_OVERFLOW},
    {267, ST_NOT_A_DIRECTORY}, {303, ST_DELETE_PENDING}, {4390, ST_NOT_A_REPARSE_POINT}, {1117, 0xC0000185},
};

EXPORT status_t FspNtStatusFromWin32(uint32_t error)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].win32 == error)
            return codes[i].status;
    return ST_UNSUCCESSFUL;
}

EXPORT uint32_t FspWin32FromNtStatus(status_t status)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].status == status)
            return codes[i].win32;
    return 317; /* ERROR_MR_MID_NOT_FOUND: no such message */
}

EXPORT void FspDebugLog(const char *format, ...)
{
    (void)format;
}

EXPORT void FspDebugLogSetHandle(void *handle)
{
    (void)handle;
}

EXPORT void FspFileSystemSetDebugLogF(struct volume *volume, uint32_t mask)
{
    (void)volume;
    (void)mask;
}
