/* What the DLL asks before it opens: GetSecurityByName, traverse and access checks. Runs inside an operation. */
#include "standin.h"

/* [ref 3.1 GetSecurityByName]: 1024 bytes first; STATUS_BUFFER_OVERFLOW says the size and the call is repeated. */
status_t security_by_name(struct volume *volume, const wch *path, uint32_t *attributes, uint8_t **sd, size_t *size)
{
    wch *name = wdup(path, wlen(path));
    size_t capacity = FIRST_SECURITY_SIZE;
    uint8_t *buffer = malloc(capacity);
    status_t status;
    for (;;) {
        *size = capacity;
        *attributes = 0;
        status = CALL(volume, SLOT_GET_SECURITY_BY_NAME, get_security_by_name, name, attributes, buffer, size);
        if (status != ST_BUFFER_OVERFLOW || *size <= capacity || *size > REPLY_MAX)
            break;
        capacity = *size;
        buffer = realloc(buffer, capacity);
    }
    free(name);
    if (status == ST_SUCCESS && (*size > capacity || (*size > 0 && !sd_valid(buffer, *size))))
        status = ST_INVALID_SECURITY_DESCR;
    if (status != ST_SUCCESS) {
        free(buffer);
        buffer = NULL;
        *size = 0;
    }
    *sd = buffer;
    return status;
}

/* [ref 3.1]: every component is asked for if the caller lacks SeChangeNotify. */
static status_t traverse(struct volume *volume, const wch *path, uint32_t *attributes, const struct token *token,
    uint32_t options)
{
    for (size_t end = 1; path[end] != 0; end++) {
        if (path[end] != '\\' && end != 1)
            continue;
        wch *prefix = wdup(path, end);
        uint8_t *sd;
        size_t size;
        uint32_t granted;
        status_t status = security_by_name(volume, prefix, attributes, &sd, &size);
        if (status == ST_SUCCESS && (*attributes & ATTR_REPARSE_POINT) != 0) {
            size_t start = parent_length(prefix);
            *attributes = (uint32_t)(start == 1 && prefix[1] != 0 ? 1 : start + 1);
            status = ST_REPARSE;
        } else if (status == ST_SUCCESS)
            status = access_check(sd, size, token, ACC_TRAVERSE, options, &granted);
        free(sd);
        free(prefix);
        if (status == ST_OBJECT_NAME_NOT_FOUND)
            status = ST_OBJECT_PATH_NOT_FOUND;
        if (status != ST_SUCCESS)
            return status;
    }
    return ST_SUCCESS;
}

/* Windows' rule: DELETE is also given by the parent's FILE_DELETE_CHILD, FILE_READ_ATTRIBUTES by its
   FILE_LIST_DIRECTORY. */
static uint32_t rights_from_parent(struct volume *volume, const wch *path, const struct token *token, uint32_t options)
{
    uint32_t given = 0, attributes, granted;
    uint8_t *sd;
    size_t size;
    wch *parent = wdup(path, parent_length(path));
    if (security_by_name(volume, parent, &attributes, &sd, &size) == ST_SUCCESS) {
        if (access_check(sd, size, token, ACC_DELETE_CHILD, options, &granted) == ST_SUCCESS)
            given |= ACC_DELETE;
        if (access_check(sd, size, token, ACC_LIST_DIRECTORY, options, &granted) == ST_SUCCESS)
            given |= ACC_READ_ATTRIBUTES;
        free(sd);
    }
    free(parent);
    return given;
}

/* Checks a path, or with of_parent the directory in which its last component will be made. STATUS_REPARSE: attributes
   is the index of a link's component. */
status_t access_check_path(struct volume *volume, const wch *path, bool of_parent, uint32_t desired, uint32_t options,
    const struct token *token, uint32_t *attributes, uint32_t *granted, uint8_t **sd_out)
{
    *sd_out = NULL;
    *attributes = 0;
    if (volume->table.get_security_by_name == NULL || !volume_has(volume, FLAG_PERSISTENT_ACLS)) {
        /* [ref 3.1]: optional; without it there is no check at all. Without PersistentAcls names are still looked up. */
        *granted = map_generic(desired) & ~(uint32_t)ACC_MAXIMUM_ALLOWED;
        if (desired & ACC_MAXIMUM_ALLOWED)
            *granted |= ACC_FILE_ALL;
        if (volume->table.get_security_by_name == NULL)
            return ST_SUCCESS;
    }
    if ((token->privileges & PRIV_CHANGE_NOTIFY) == 0 && volume_has(volume, FLAG_PERSISTENT_ACLS)) {
        status_t status = traverse(volume, path, attributes, token, options);
        if (status != ST_SUCCESS)
            return status;
    }
    wch *name = wdup(path, of_parent ? parent_length(path) : wlen(path));
    size_t size;
    status_t status = security_by_name(volume, name, attributes, sd_out, &size);
    if (status == ST_OBJECT_NAME_NOT_FOUND && of_parent)
        status = ST_OBJECT_PATH_NOT_FOUND;
    if (status == ST_SUCCESS && of_parent && (*attributes & ATTR_REPARSE_POINT) != 0) {
        size_t start = parent_length(name);
        *attributes = (uint32_t)(start == 1 ? 1 : start + 1);
        status = ST_REPARSE;
    } else if (status == ST_SUCCESS && of_parent && (*attributes & ATTR_DIRECTORY) == 0)
        status = ST_NOT_A_DIRECTORY;
    bool is_link = (*attributes & ATTR_REPARSE_POINT) != 0 && (options & OPT_OPEN_REPARSE_POINT) == 0;
    if (status == ST_SUCCESS && volume_has(volume, FLAG_PERSISTENT_ACLS) && !is_link) {
        status = access_check(*sd_out, size, token, desired, options, granted);
        if (status == ST_ACCESS_DENIED && !of_parent && name[1] != 0) {
            uint32_t given = rights_from_parent(volume, path, token, options) & map_generic(desired);
            if (given != 0) {
                status = access_check(*sd_out, size, token, map_generic(desired) & ~given, options, granted);
                *granted |= given;
            }
        }
    }
    free(name);
    if (status != ST_SUCCESS) {
        free(*sd_out);
        *sd_out = NULL;
    } else if (size == 0) {
        free(*sd_out);
        *sd_out = NULL;
    }
    return status;
}
