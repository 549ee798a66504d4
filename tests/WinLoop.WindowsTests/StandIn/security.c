/* Descriptors as bytes: simulated tokens, the access check, inheritance for what is created, and the merge of
   SetSecurity. Self-relative layout: revision, sbz, control, offsets of owner, group, SACL, DACL. */
#include "standin.h"

enum { SE_DACL_PRESENT = 4, SE_SACL_PRESENT = 0x10, SE_DACL_AUTO_INHERITED = 0x400, SE_DACL_PROTECTED = 0x1000,
    SE_SACL_PROTECTED = 0x2000, SE_SELF_RELATIVE = 0x8000 };
enum { ACE_ALLOW, ACE_DENY };
enum { ACE_OBJECT_INHERIT = 1, ACE_CONTAINER_INHERIT = 2, ACE_NO_PROPAGATE = 4, ACE_INHERIT_ONLY = 8,
    ACE_INHERITED = 0x10 };

static const uint8_t sid_everyone[] = {1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
static const uint8_t sid_users[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x21, 2, 0, 0};
static const uint8_t sid_authenticated[] = {1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0};
static const uint8_t sid_creator_owner[] = {1, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0};
static const uint8_t sid_creator_group[] = {1, 1, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0};
static const uint8_t sid_system[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};

static uint32_t get16(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | get16(p + 2) << 16; }
static void put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)v; p[1] = (uint8_t)(v >> 8); }
static void put32(uint8_t *p, uint32_t v) { put16(p, v & 0xFFFF); put16(p + 2, v >> 16); }
static size_t sid_size(const uint8_t *sid) { return 8 + 4u * sid[1]; }
static bool sid_equal(const uint8_t *a, const uint8_t *b) { return sid_size(a) == sid_size(b) && memcmp(a, b, sid_size(a)) == 0; }

static const uint8_t *part(const uint8_t *sd, int at)
{
    uint32_t offset = sd == NULL ? 0 : get32(sd + at);
    return offset == 0 ? NULL : sd + offset;
}
static const uint8_t *sd_owner(const uint8_t *sd) { return part(sd, 4); }
static const uint8_t *sd_group(const uint8_t *sd) { return part(sd, 8); }
static const uint8_t *sd_sacl(const uint8_t *sd) { return sd != NULL && get16(sd + 2) & SE_SACL_PRESENT ? part(sd, 12) : NULL; }
static const uint8_t *sd_dacl(const uint8_t *sd) { return sd != NULL && get16(sd + 2) & SE_DACL_PRESENT ? part(sd, 16) : NULL; }

static bool sid_valid(const uint8_t *sd, size_t size, uint32_t at)
{
    return at + 8 <= size && sd[at] == 1 && sd[at + 1] <= 15 && at + sid_size(sd + at) <= size;
}

static bool acl_valid(const uint8_t *sd, size_t size, uint32_t at)
{
    if (at + 8 > size || (sd[at] != 2 && sd[at] != 4) || at + get16(sd + at + 2) > size)
        return false;
    uint32_t end = at + get16(sd + at + 2), ace = at + 8;
    for (uint32_t i = 0; i < get16(sd + at + 4); i++) {
        if (ace + 4 > end || get16(sd + ace + 2) < 4 || ace + get16(sd + ace + 2) > end)
            return false;
        if (sd[ace] <= ACE_DENY && (get16(sd + ace + 2) < 16 || !sid_valid(sd, ace + get16(sd + ace + 2), ace + 8)))
            return false;
        ace += get16(sd + ace + 2);
    }
    return true;
}

bool sd_valid(const uint8_t *sd, size_t size)
{
    if (size < 20 || sd[0] != 1 || (get16(sd + 2) & SE_SELF_RELATIVE) == 0)
        return false;
    for (int at = 4; at <= 16; at += 4) {
        uint32_t offset = get32(sd + at);
        if (offset != 0 && !(at <= 8 ? sid_valid(sd, size, offset) : offset < size && acl_valid(sd, size, offset)))
            return false;
    }
    return true;
}

size_t sd_length(const uint8_t *sd)
{
    size_t end = 20;
    for (int at = 4; at <= 16; at += 4) {
        const uint8_t *p = part(sd, at);
        if (p == NULL)
            continue;
        size_t length = at <= 8 ? sid_size(p) : get16(p + 2);
        if ((size_t)(p - sd) + length > end)
            end = (size_t)(p - sd) + length;
    }
    return end;
}

/* Tokens of the simulated processes; a process nobody spoke of is a plain user. */
static pthread_mutex_t tokens_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct token *tokens;
static size_t token_count;

struct token *token_for(uint32_t client, struct token *into)
{
    pthread_mutex_lock(&tokens_mutex);
    for (size_t i = 0; i < token_count; i++)
        if (tokens[i].client == client) {
            *into = tokens[i];
            pthread_mutex_unlock(&tokens_mutex);
            return into;
        }
    pthread_mutex_unlock(&tokens_mutex);
    static const uint8_t domain[] = {1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};
    memset(into, 0, sizeof *into);
    into->client = client;
    into->privileges = PRIV_CHANGE_NOTIFY;
    memcpy(into->user, domain, sizeof domain);
    put32(into->user + 24, 1001);
    memcpy(into->group, domain, sizeof domain);
    put32(into->group + 24, 513);
    memcpy(into->groups[0], into->group, 28);
    memcpy(into->groups[1], sid_everyone, sizeof sid_everyone);
    memcpy(into->groups[2], sid_users, sizeof sid_users);
    memcpy(into->groups[3], sid_authenticated, sizeof sid_authenticated);
    into->group_count = 4;
    return into;
}

void token_set(const struct token *token)
{
    pthread_mutex_lock(&tokens_mutex);
    size_t i = 0;
    while (i < token_count && tokens[i].client != token->client)
        i++;
    if (i == token_count)
        tokens = realloc(tokens, ++token_count * sizeof *tokens);
    tokens[i] = *token;
    pthread_mutex_unlock(&tokens_mutex);
}

static bool token_has(const struct token *token, const uint8_t *sid)
{
    if (sid_equal(token->user, sid))
        return true;
    for (int i = 0; i < token->group_count; i++)
        if (sid_equal(token->groups[i], sid))
            return true;
    return false;
}

uint32_t map_generic(uint32_t access)
{
    uint32_t mapped = access & 0x0FFFFFFFu;
    mapped |= access & ACC_GENERIC_READ ? ACC_FILE_READ : 0;
    mapped |= access & ACC_GENERIC_WRITE ? ACC_FILE_WRITE : 0;
    mapped |= access & ACC_GENERIC_EXECUTE ? ACC_FILE_EXECUTE : 0;
    mapped |= access & ACC_GENERIC_ALL ? ACC_FILE_ALL : 0;
    return mapped;
}

/* Windows' access check: privileges first, then the ACEs in order; MAXIMUM_ALLOWED collects all that is allowed. A
   descriptor of size 0 means no check [ref 3.1 GetSecurityByName]. */
status_t access_check(const uint8_t *sd, size_t size, const struct token *token, uint32_t desired, uint32_t options,
    uint32_t *granted)
{
    bool maximum = (desired & ACC_MAXIMUM_ALLOWED) != 0;
    desired = map_generic(desired & ~(uint32_t)ACC_MAXIMUM_ALLOWED);
    if (size == 0) {
        *granted = maximum ? desired | ACC_FILE_ALL : desired;
        return ST_SUCCESS;
    }
    uint32_t allowed = 0, denied = 0;
    if (options & OPT_OPEN_FOR_BACKUP_INTENT) {
        if (token->privileges & PRIV_BACKUP)
            allowed |= ACC_FILE_READ | ACC_TRAVERSE | ACC_READ_CONTROL | ACC_SYSTEM_SECURITY;
        if (token->privileges & PRIV_RESTORE)
            allowed |= ACC_FILE_WRITE | ACC_DELETE | ACC_DELETE_CHILD | ACC_WRITE_DAC | ACC_WRITE_OWNER
                | ACC_SYSTEM_SECURITY;
    }
    if (token->privileges & PRIV_SECURITY)
        allowed |= ACC_SYSTEM_SECURITY;
    else if (desired & ACC_SYSTEM_SECURITY & ~allowed)
        return ST_PRIVILEGE_NOT_HELD;
    if (token->privileges & PRIV_TAKE_OWNERSHIP)
        allowed |= ACC_WRITE_OWNER;
    if (sd_owner(sd) != NULL && token_has(token, sd_owner(sd)))
        allowed |= ACC_READ_CONTROL | ACC_WRITE_DAC;
    const uint8_t *acl = sd_dacl(sd);
    if (acl == NULL)
        allowed |= ACC_FILE_ALL; /* no DACL: everybody may do everything */
    else {
        const uint8_t *ace = acl + 8;
        for (uint32_t i = get16(acl + 4); i > 0; i--, ace += get16(ace + 2)) {
            if ((ace[1] & ACE_INHERIT_ONLY) != 0 || ace[0] > ACE_DENY || !token_has(token, ace + 8))
                continue;
            uint32_t mask = map_generic(get32(ace + 4));
            if (ace[0] == ACE_ALLOW)
                allowed |= mask & ~denied;
            else
                denied |= mask & ~allowed;
        }
    }
    if ((desired & ~allowed) != 0)
        return ST_ACCESS_DENIED;
    *granted = maximum ? desired | allowed : desired;
    return maximum && *granted == 0 ? ST_ACCESS_DENIED : ST_SUCCESS;
}

/* Puts a self-relative descriptor together. */
static uint8_t *sd_build(uint32_t control, const uint8_t *owner, const uint8_t *group, const uint8_t *sacl,
    const uint8_t *dacl, size_t *size)
{
    const uint8_t *parts[4] = {owner, group, sacl, dacl};
    size_t total = 20;
    for (int i = 0; i < 4; i++)
        total += parts[i] == NULL ? 0 : ((i < 2 ? sid_size(parts[i]) : get16(parts[i] + 2)) + 3) & ~3u;
    uint8_t *sd = calloc(1, total);
    size_t at = 20;
    sd[0] = 1;
    for (int i = 0; i < 4; i++) {
        if (parts[i] == NULL)
            continue;
        size_t length = i < 2 ? sid_size(parts[i]) : get16(parts[i] + 2);
        put32(sd + 4 + 4 * i, (uint32_t)at);
        memcpy(sd + at, parts[i], length);
        at += (length + 3) & ~3u;
    }
    put16(sd + 2, (control & ~(uint32_t)(SE_SACL_PRESENT)) | SE_SELF_RELATIVE | (sacl != NULL ? SE_SACL_PRESENT : 0));
    *size = total;
    return sd;
}

static size_t add_ace(uint8_t *acl, size_t at, uint8_t type, uint8_t flags, uint32_t mask, const uint8_t *sid)
{
    size_t length = 8 + sid_size(sid);
    if (at + length > 0xFFF0)
        return at;
    acl[at] = type;
    acl[at + 1] = flags;
    put16(acl + at + 2, (uint32_t)length);
    put32(acl + at + 4, mask);
    memcpy(acl + at + 8, sid, sid_size(sid));
    put16(acl + 4, get16(acl + 4) + 1);
    return at + length;
}

/* What the parent's inheritable ACEs mean for a child. */
static size_t inherit_aces(uint8_t *acl, size_t at, const uint8_t *from, const uint8_t *owner, const uint8_t *group,
    bool is_directory)
{
    const uint8_t *ace = from + 8;
    for (uint32_t i = get16(from + 4); i > 0; i--, ace += get16(ace + 2)) {
        if (ace[0] > ACE_DENY)
            continue;
        bool to_this = (ace[1] & (is_directory ? ACE_CONTAINER_INHERIT : ACE_OBJECT_INHERIT)) != 0;
        bool below = is_directory && (ace[1] & (ACE_CONTAINER_INHERIT | ACE_OBJECT_INHERIT)) != 0
            && (ace[1] & ACE_NO_PROPAGATE) == 0;
        uint8_t passed = ace[1] & (ACE_CONTAINER_INHERIT | ACE_OBJECT_INHERIT);
        const uint8_t *sid = ace + 8;
        bool replaced = sid_equal(sid, sid_creator_owner) || sid_equal(sid, sid_creator_group);
        const uint8_t *effective = sid_equal(sid, sid_creator_owner) ? owner
            : sid_equal(sid, sid_creator_group)                      ? group
                                                                     : sid;
        uint32_t mask = get32(ace + 4);
        bool maps = map_generic(mask) != mask;
        if (to_this && (replaced || maps || !below)) {
            at = add_ace(acl, at, ace[0], ACE_INHERITED, map_generic(mask), effective);
            if (below)
                at = add_ace(acl, at, ace[0], (uint8_t)(passed | ACE_INHERIT_ONLY | ACE_INHERITED), mask, sid);
        } else if (to_this)
            at = add_ace(acl, at, ace[0], (uint8_t)(passed | ACE_INHERITED), mask, sid);
        else if (below)
            at = add_ace(acl, at, ace[0], (uint8_t)(passed | ACE_INHERIT_ONLY | ACE_INHERITED), mask, sid);
    }
    return at;
}

/* [ref 3.1 Create(Ex)]: the descriptor of a new file, already merged with the parent's inheritable ACEs; with nothing
   to inherit and nothing said it is the token's default. */
uint8_t *sd_inherit(const uint8_t *parent, const uint8_t *creator, const struct token *token, bool is_directory,
    size_t *size)
{
    const uint8_t *owner = sd_owner(creator) != NULL ? sd_owner(creator) : token->user;
    const uint8_t *group = sd_group(creator) != NULL ? sd_group(creator) : token->group;
    const uint8_t *explicit_acl = sd_dacl(creator), *parent_acl = sd_dacl(parent);
    uint32_t control = creator != NULL ? get16(creator + 2) & SE_DACL_PROTECTED : 0;
    if (creator != NULL && (get16(creator + 2) & SE_DACL_PRESENT) && explicit_acl == NULL)
        return sd_build(control | SE_DACL_PRESENT, owner, group, sd_sacl(creator), NULL, size);
    uint8_t *acl = calloc(1, 0x10000);
    size_t at = 8;
    acl[0] = 2;
    if (explicit_acl != NULL) {
        const uint8_t *ace = explicit_acl + 8;
        for (uint32_t i = get16(explicit_acl + 4); i > 0; i--, ace += get16(ace + 2))
            if (ace[0] <= ACE_DENY && (ace[1] & ACE_INHERITED) == 0)
                at = add_ace(acl, at, ace[0], ace[1], get32(ace + 4), ace + 8);
    }
    if (parent_acl != NULL && (control & SE_DACL_PROTECTED) == 0) {
        size_t before = at;
        at = inherit_aces(acl, at, parent_acl, owner, group, is_directory);
        control |= at != before ? SE_DACL_AUTO_INHERITED : 0;
    }
    if (at == 8 && explicit_acl == NULL) {
        at = add_ace(acl, at, ACE_ALLOW, 0, ACC_FILE_ALL, owner);
        at = add_ace(acl, at, ACE_ALLOW, 0, ACC_FILE_ALL, sid_system);
    }
    put16(acl + 2, (uint32_t)at);
    uint8_t *sd = sd_build(control | SE_DACL_PRESENT, owner, group, sd_sacl(creator), acl, size);
    free(acl);
    return sd;
}

uint8_t *sd_merge(const uint8_t *old, uint32_t information, const uint8_t *modification, size_t *size)
{
    uint32_t mask = (information & SEC_DACL ? SE_DACL_PRESENT | SE_DACL_AUTO_INHERITED | SE_DACL_PROTECTED : 0)
        | (information & SEC_SACL ? SE_SACL_PRESENT | SE_SACL_PROTECTED : 0);
    uint32_t control = (get16(old + 2) & ~mask) | (get16(modification + 2) & mask);
    return sd_build(control, sd_owner(information & SEC_OWNER ? modification : old),
        sd_group(information & SEC_GROUP ? modification : old), sd_sacl(information & SEC_SACL ? modification : old),
        sd_dacl(information & SEC_DACL ? modification : old), size);
}

/* [ref 3.1 SetSecurity]: the merge that file systems call, and the freeing of its result. */
EXPORT status_t FspSetSecurityDescriptor(
    uint8_t *input, uint32_t information, uint8_t *modification, uint8_t **result)
{
    *result = NULL;
    if (input == NULL || modification == NULL)
        return ST_INVALID_SECURITY_DESCR;
    size_t size;
    *result = sd_merge(input, information, modification, &size);
    return ST_SUCCESS;
}

EXPORT void FspDeleteSecurityDescriptor(void *sd, status_t (*created_by)(void))
{
    (void)created_by;
    free(sd);
}
