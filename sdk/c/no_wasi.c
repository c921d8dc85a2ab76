// A policy has no files: what the C library would ask of WASI ends the question instead.
#include <stdint.h>

#define NONE(name, ...) \
    int32_t __imported_wasi_snapshot_preview1_##name(__VA_ARGS__) { __builtin_trap(); }

NONE(fd_close, int32_t a)
NONE(fd_fdstat_get, int32_t a, int32_t b)
NONE(fd_seek, int32_t a, int64_t b, int32_t c, int32_t d)
NONE(fd_read, int32_t a, int32_t b, int32_t c, int32_t d)
NONE(fd_write, int32_t a, int32_t b, int32_t c, int32_t d)
