/* The binary interface of WinFsp as a file system sees it: sizes, offsets and order are [ref 1.4].
   Everything is fixed-width, so that the layout is the same for mingw-w64 and for gcc on Linux. */
#ifndef FSP_ABI_H
#define FSP_ABI_H

#include <stddef.h>
#include <stdint.h>

typedef uint16_t wch;       /* WCHAR: 16 bits on both sides [ref 2.2] */
typedef uint8_t boolean8;   /* BOOLEAN */
typedef uint32_t status_t;  /* NTSTATUS */

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* Volume flags [ref 1.4]. */
enum {
    FLAG_CASE_SENSITIVE_SEARCH = 0x1,
    FLAG_CASE_PRESERVED_NAMES = 0x2,
    FLAG_UNICODE_ON_DISK = 0x4,
    FLAG_PERSISTENT_ACLS = 0x8,
    FLAG_REPARSE_POINTS = 0x10,
    FLAG_REPARSE_POINTS_ACCESS_CHECK = 0x20,
    FLAG_NAMED_STREAMS = 0x40,
    FLAG_EXTENDED_ATTRIBUTES = 0x100,
    FLAG_READ_ONLY_VOLUME = 0x200,
    FLAG_POST_CLEANUP_WHEN_MODIFIED_ONLY = 0x400,
    FLAG_PASS_QUERY_DIRECTORY_PATTERN = 0x800,
    FLAG_ALWAYS_USE_DOUBLE_BUFFERING = 0x1000,
    FLAG_PASS_QUERY_DIRECTORY_FILE_NAME = 0x2000,
    FLAG_FLUSH_AND_PURGE_ON_CLEANUP = 0x4000,
    FLAG_DEVICE_CONTROL = 0x8000,
    FLAG_FILE_CONTEXT_IS_USER_CONTEXT2 = 0x10000,
    FLAG_FILE_CONTEXT_IS_FULL_CONTEXT = 0x20000,
    FLAG_NO_REPARSE_POINTS_DIR_CHECK = 0x40000,
    FLAG_ALLOW_OPEN_IN_KERNEL_MODE = 0x01000000,
    FLAG_CASE_PRESERVED_EXTENDED_ATTRIBUTES = 0x02000000,
    FLAG_WSL_FEATURES = 0x04000000,
    FLAG_DIRECTORY_MARKER_AS_NEXT_OFFSET = 0x08000000,
    FLAG_REJECT_IRP_PRIOR_TO_TRANSACT0 = 0x10000000,
    FLAG_SUPPORTS_POSIX_UNLINK_RENAME = 0x20000000,
    FLAG_POST_DISPOSITION_WHEN_NECESSARY_ONLY = 0x40000000,
};

struct fsp_volume_params {
    uint16_t version, sector_size, sectors_per_unit, max_component_length;
    uint64_t creation_time;
    uint32_t serial_number, transact_timeout, irp_timeout, irp_capacity, file_info_timeout, flags;
    wch prefix[192];
    wch file_system_name[16];
    uint32_t additional_flags, volume_info_timeout, dir_info_timeout, security_timeout, stream_info_timeout,
        ea_timeout, fsext_control_code, reserved32;
    uint64_t reserved64[2];
};

struct fsp_volume_info {
    uint64_t total_size, free_size;
    uint16_t label_bytes;
    wch label[32];
};

struct fsp_file_info {
    uint32_t file_attributes, reparse_tag;
    uint64_t allocation_size, file_size, creation_time, last_access_time, last_write_time, change_time, index_number;
    uint32_t hard_links, ea_size;
};

struct fsp_open_file_info {
    struct fsp_file_info info;
    wch *normalized_name;
    uint16_t normalized_name_size; /* in: bytes of the buffer, out: bytes of the name */
};

struct fsp_dir_info {
    uint16_t size;
    struct fsp_file_info info;
    uint8_t padding[24]; /* NextOffset is its first u64 */
    wch name[];
};

struct fsp_stream_info {
    uint16_t size;
    uint64_t stream_size, stream_allocation_size;
    wch name[];
};

struct fsp_notify_info {
    uint16_t size;
    uint32_t filter, action;
    wch name[];
};

struct fsp_full_context {
    uint64_t user_context, user_context2;
};

struct fsp_io_status {
    union {
        status_t status;
        void *pointer;
    };
    uintptr_t information;
};

struct fsp_request {
    uint16_t version, size;
    uint32_t kind;
    uint64_t hint;
    uint8_t rest[72];
};

struct __attribute__((packed)) fsp_response {
    uint16_t version, size;
    uint32_t kind;
    uint64_t hint;
    uint32_t information, status;
    struct fsp_file_info info; /* Write */
    uint8_t rest[28];
    uint32_t create_flags; /* Create and Open: bit 0 = DisableCache */
};

struct fsp_operation_context {
    struct fsp_request *request;
    struct fsp_response *response;
};

struct volume; /* FSP_FILE_SYSTEM */

typedef status_t (*get_reparse_point_by_name)(
    struct volume *, void *context, wch *name, boolean8 is_directory, void *buffer, size_t *size);

/* The 64 slots; CreateEx, OverwriteEx and SetDelete win over their older forms. */
struct fsp_interface {
    status_t (*get_volume_info)(struct volume *, struct fsp_volume_info *);
    status_t (*set_volume_label)(struct volume *, wch *label, struct fsp_volume_info *);
    status_t (*get_security_by_name)(struct volume *, wch *name, uint32_t *attributes, void *sd, size_t *sd_size);
    status_t (*create)(struct volume *, wch *name, uint32_t options, uint32_t access, uint32_t attributes, void *sd,
        uint64_t allocation, void **file, struct fsp_file_info *);
    status_t (*open)(
        struct volume *, wch *name, uint32_t options, uint32_t access, void **file, struct fsp_file_info *);
    status_t (*overwrite)(struct volume *, void *file, uint32_t attributes, boolean8 replace, uint64_t allocation,
        struct fsp_file_info *);
    void (*cleanup)(struct volume *, void *file, wch *name, uint32_t flags);
    void (*close)(struct volume *, void *file);
    status_t (*read)(
        struct volume *, void *file, void *buffer, uint64_t offset, uint32_t length, uint32_t *transferred);
    status_t (*write)(struct volume *, void *file, void *buffer, uint64_t offset, uint32_t length, boolean8 to_end,
        boolean8 constrained, uint32_t *transferred, struct fsp_file_info *);
    status_t (*flush)(struct volume *, void *file, struct fsp_file_info *);
    status_t (*get_file_info)(struct volume *, void *file, struct fsp_file_info *);
    status_t (*set_basic_info)(struct volume *, void *file, uint32_t attributes, uint64_t creation, uint64_t access,
        uint64_t write, uint64_t change, struct fsp_file_info *);
    status_t (*set_file_size)(
        struct volume *, void *file, uint64_t size, boolean8 is_allocation, struct fsp_file_info *);
    status_t (*can_delete)(struct volume *, void *file, wch *name);
    status_t (*rename)(struct volume *, void *file, wch *name, wch *new_name, boolean8 replace);
    status_t (*get_security)(struct volume *, void *file, void *sd, size_t *size);
    status_t (*set_security)(struct volume *, void *file, uint32_t information, void *sd);
    status_t (*read_directory)(struct volume *, void *file, wch *pattern, wch *marker, void *buffer, uint32_t length,
        uint32_t *transferred);
    status_t (*resolve_reparse_points)(struct volume *, wch *name, uint32_t index, boolean8 resolve_last,
        struct fsp_io_status *, void *buffer, size_t *size);
    status_t (*get_reparse_point)(struct volume *, void *file, wch *name, void *buffer, size_t *size);
    status_t (*set_reparse_point)(struct volume *, void *file, wch *name, void *buffer, size_t size);
    status_t (*delete_reparse_point)(struct volume *, void *file, wch *name, void *buffer, size_t size);
    status_t (*get_stream_info)(
        struct volume *, void *file, void *buffer, uint32_t length, uint32_t *transferred);
    status_t (*get_dir_info_by_name)(struct volume *, void *file, wch *name, struct fsp_dir_info *);
    status_t (*control)(struct volume *, void *file, uint32_t code, void *in, uint32_t in_length, void *out,
        uint32_t out_length, uint32_t *transferred);
    status_t (*set_delete)(struct volume *, void *file, wch *name, boolean8 delete);
    status_t (*create_ex)(struct volume *, wch *name, uint32_t options, uint32_t access, uint32_t attributes,
        void *sd, uint64_t allocation, void *extra, uint32_t extra_length, boolean8 extra_is_reparse, void **file,
        struct fsp_file_info *);
    status_t (*overwrite_ex)(struct volume *, void *file, uint32_t attributes, boolean8 replace, uint64_t allocation,
        void *ea, uint32_t ea_length, struct fsp_file_info *);
    status_t (*get_ea)(struct volume *, void *file, void *ea, uint32_t length, uint32_t *transferred);
    status_t (*set_ea)(struct volume *, void *file, void *ea, uint32_t length, struct fsp_file_info *);
    status_t (*obsolete0)(void);
    void (*dispatcher_stopped)(struct volume *, boolean8 normally);
    status_t (*reserved[31])(void);
};

/* Slot numbers, for counting and tracing. */
enum {
    SLOT_GET_VOLUME_INFO, SLOT_SET_VOLUME_LABEL, SLOT_GET_SECURITY_BY_NAME, SLOT_CREATE, SLOT_OPEN, SLOT_OVERWRITE,
    SLOT_CLEANUP, SLOT_CLOSE, SLOT_READ, SLOT_WRITE, SLOT_FLUSH, SLOT_GET_FILE_INFO, SLOT_SET_BASIC_INFO,
    SLOT_SET_FILE_SIZE, SLOT_CAN_DELETE, SLOT_RENAME, SLOT_GET_SECURITY, SLOT_SET_SECURITY, SLOT_READ_DIRECTORY,
    SLOT_RESOLVE_REPARSE_POINTS, SLOT_GET_REPARSE_POINT, SLOT_SET_REPARSE_POINT, SLOT_DELETE_REPARSE_POINT,
    SLOT_GET_STREAM_INFO, SLOT_GET_DIR_INFO_BY_NAME, SLOT_CONTROL, SLOT_SET_DELETE, SLOT_CREATE_EX,
    SLOT_OVERWRITE_EX, SLOT_GET_EA, SLOT_SET_EA, SLOT_OBSOLETE0, SLOT_DISPATCHER_STOPPED, SLOT_COUNT
};

#define CHECK_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#define CHECK_AT(type, field, at) _Static_assert(offsetof(type, field) == (at), "offset of " #field)

CHECK_SIZE(void *, 8);
CHECK_SIZE(struct fsp_volume_params, 504);
CHECK_AT(struct fsp_volume_params, creation_time, 8);
CHECK_AT(struct fsp_volume_params, serial_number, 16);
CHECK_AT(struct fsp_volume_params, irp_timeout, 24);
CHECK_AT(struct fsp_volume_params, file_info_timeout, 32);
CHECK_AT(struct fsp_volume_params, flags, 36);
CHECK_AT(struct fsp_volume_params, prefix, 40);
CHECK_AT(struct fsp_volume_params, file_system_name, 424);
CHECK_AT(struct fsp_volume_params, additional_flags, 456);
CHECK_SIZE(struct fsp_volume_info, 88);
CHECK_AT(struct fsp_volume_info, label_bytes, 16);
CHECK_AT(struct fsp_volume_info, label, 18);
CHECK_SIZE(struct fsp_file_info, 72);
CHECK_AT(struct fsp_open_file_info, normalized_name, 72);
CHECK_AT(struct fsp_open_file_info, normalized_name_size, 80);
CHECK_SIZE(struct fsp_dir_info, 104);
CHECK_AT(struct fsp_dir_info, info, 8);
CHECK_AT(struct fsp_dir_info, padding, 80);
CHECK_SIZE(struct fsp_full_context, 16);
CHECK_SIZE(struct fsp_request, 88);
CHECK_AT(struct fsp_request, hint, 8);
CHECK_SIZE(struct fsp_response, 128);
CHECK_AT(struct fsp_response, kind, 4);
CHECK_AT(struct fsp_response, hint, 8);
CHECK_AT(struct fsp_response, information, 16);
CHECK_AT(struct fsp_response, status, 20);
CHECK_AT(struct fsp_response, info, 24);
CHECK_AT(struct fsp_response, create_flags, 124);
CHECK_SIZE(struct fsp_interface, 64 * 8);
CHECK_AT(struct fsp_interface, read_directory, 18 * 8);
CHECK_AT(struct fsp_interface, get_dir_info_by_name, 24 * 8);
CHECK_AT(struct fsp_interface, create_ex, 27 * 8);
CHECK_AT(struct fsp_interface, dispatcher_stopped, 32 * 8);

#endif
