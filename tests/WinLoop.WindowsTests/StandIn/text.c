/* UTF-16 names: folding, wildcards, which paths the driver refuses. */
#include "standin.h"

size_t wlen(const wch *text)
{
    size_t length = 0;
    while (text[length] != 0)
        length++;
    return length;
}

wch *wdup(const wch *text, size_t units)
{
    wch *copy = malloc((units + 1) * sizeof(wch));
    memcpy(copy, text, units * sizeof(wch));
    copy[units] = 0;
    return copy;
}

/* Upper case of the scripts that tests use; Windows' own table is larger. */
wch fold(wch c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? (wch)(c - 32) : c;
    if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2)
        || (c >= 0x430 && c <= 0x44F))
        return (wch)(c - 32);
    if (c == 0xFF)
        return 0x178;
    if (c >= 0x100 && c <= 0x17F) {
        if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
            return c & 1 ? c : (wch)(c - 1);
        if (c == 0x130 || c == 0x131 || c == 0x138 || c == 0x149 || c == 0x178 || c == 0x17F)
            return c;
        return c & 1 ? (wch)(c - 1) : c;
    }
    if (c >= 0x450 && c <= 0x45F)
        return (wch)(c - 80);
    return c;
}

int wcompare_folded(const wch *left, const wch *right)
{
    for (;; left++, right++) {
        wch l = fold(*left), r = fold(*right);
        if (l != r)
            return l < r ? -1 : 1;
        if (l == 0)
            return 0;
    }
}

bool wequal(const wch *left, const wch *right)
{
    while (*left != 0 && *left == *right)
        left++, right++;
    return *left == *right;
}

bool has_wildcards(const wch *pattern)
{
    for (; *pattern != 0; pattern++)
        if (*pattern == '*' || *pattern == '?' || *pattern == '<' || *pattern == '>' || *pattern == '"')
            return true;
    return false;
}

/* NT's name expressions with the DOS forms: '<' any run up to the last dot, '>' one unit or none before a dot or the
   end, '"' a dot or the end. */
bool name_matches(const wch *pattern, size_t pattern_length, const wch *name, size_t name_length, bool fold_case)
{
    if (pattern_length == 0)
        return name_length == 0;
    wch p = *pattern;
    if (p == '*' || p == '<') {
        for (size_t skip = 0; skip <= name_length; skip++) {
            if (p == '<' && skip > 0 && name[skip - 1] == '.') {
                bool last_dot = true;
                for (size_t i = skip; i < name_length; i++)
                    last_dot &= name[i] != '.';
                if (last_dot)
                    return false;
            }
            if (name_matches(pattern + 1, pattern_length - 1, name + skip, name_length - skip, fold_case))
                return true;
        }
        return false;
    }
    if (p == '>' && (name_length == 0 || *name == '.'))
        return name_matches(pattern + 1, pattern_length - 1, name, name_length, fold_case);
    if (p == '"' && name_length == 0)
        return name_matches(pattern + 1, pattern_length - 1, name, name_length, fold_case);
    if (name_length == 0)
        return false;
    bool same = p == '?' || p == '>' || (p == '"' && *name == '.') || p == *name
        || (fold_case && fold(p) == fold(*name));
    return same && name_matches(pattern + 1, pattern_length - 1, name + 1, name_length - 1, fold_case);
}

/* [ref 3.7]: control characters and " * : < > ? | are refused, and the backslash separates. A stream is named only on
   volumes that have NamedStreams [ref 3.1 GetStreamInfo]. [ref 1.4]: at most 1023 units. */
status_t check_path(const struct volume *volume, const wch *path, bool *trailing_backslash)
{
    size_t length = wlen(path);
    *trailing_backslash = false;
    if (length == 0 || path[0] != '\\' || length > PATH_UNITS_MAX)
        return ST_OBJECT_NAME_INVALID;
    size_t component = 0;
    int colons = 0;
    for (size_t i = 1; i < length; i++) {
        wch c = path[i];
        if (c == '\\') {
            if (component == 0 || colons > 0)
                return ST_OBJECT_NAME_INVALID;
            component = 0;
            *trailing_backslash = i == length - 1;
            continue;
        }
        if (c < 0x20 || c == '"' || c == '*' || c == '<' || c == '>' || c == '?' || c == '|' || c == '/')
            return ST_OBJECT_NAME_INVALID;
        if (c == ':') {
            if ((volume->params.flags & FLAG_NAMED_STREAMS) == 0 || ++colons > 2)
                return ST_OBJECT_NAME_INVALID;
            component = 0;
            continue;
        }
        uint32_t max = volume->params.max_component_length != 0 ? volume->params.max_component_length : 255;
        if (++component > max)
            return ST_OBJECT_NAME_INVALID;
    }
    return ST_SUCCESS;
}

size_t parent_length(const wch *path)
{
    size_t end = 0;
    for (size_t i = 0; path[i] != 0; i++)
        if (path[i] == '\\')
            end = i;
    return end == 0 ? 1 : end;
}
