/* Stands between a program and its disk, loaded with LD_PRELOAD: counts what the program does to its files, and at
 * one step lets it fail, or kills the program. Or it records what was done, in order and with every byte.
 *
 * SWARM_DISK_PATH   counted are files whose path contains this; only what changes or syncs them counts
 * SWARM_DISK_CALLS  of these only those calls, as names in commas; all when it is missing
 * SWARM_DISK_ARM    nothing counts before a file of this name exists; from the beginning when it is missing
 * SWARM_DISK_AT     the step, from 1; 0 counts only
 * SWARM_DISK_DO     what happens there: kill, tear (half of a write, then kill), eio, or enospc (half of a write)
 * SWARM_DISK_LOG    a line for each step: its number, the call, the path; "!" behind the step at which it happened
 * SWARM_DISK_TRACE  a record for each call that succeeded: see `struct record`
 *
 * A sync that fails has lost what was written last to its file, as on Linux, where such pages count as clean.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum deed { NOTHING, KILL, TEAR, EIO_, ENOSPC_ };

static const char *wanted, *calls, *arm;
static long at;
static enum deed deed;
static int log_fd = -1;
static atomic_long steps;

/* What was done: then follow the path, and the bytes, which are those written, or a new name. */
struct record {
    char what; /* Open or create, Write, Length, Sync, Rename, Unlink, Make directory */
    char truncates;
    uint16_t path_bytes;
    uint32_t bytes;
    uint64_t offset; /* of what was written; or the new length */
};

static int trace_fd = -1;
/* Held while a call is carried out and recorded, so that the order of both is the same. */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

/* Where the last write to a file went: one thread writes the file that is synced. */
static struct { int fd; size_t length; off_t offset; } last = { -1, 0, 0 };

__attribute__((constructor)) static void begin(void)
{
    wanted = getenv("SWARM_DISK_PATH");
    calls = getenv("SWARM_DISK_CALLS");
    arm = getenv("SWARM_DISK_ARM");
    const char *step = getenv("SWARM_DISK_AT"), *what = getenv("SWARM_DISK_DO"), *log = getenv("SWARM_DISK_LOG");
    at = step ? atol(step) : 0;
    if (what)
        deed = !strcmp(what, "kill") ? KILL : !strcmp(what, "tear") ? TEAR : !strcmp(what, "eio") ? EIO_
             : !strcmp(what, "enospc") ? ENOSPC_ : NOTHING;
    if (log)
        log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *trace = getenv("SWARM_DISK_TRACE");
    if (trace)
        trace_fd = syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* The path of an open file, which is empty when it has none. */
static void path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

/* A path below an open directory. */
static void path_in(int dir, const char *name, char path[2 * PATH_MAX])
{
    path[0] = 0;
    if (dir != AT_FDCWD && name[0] != '/') {
        path_of(dir, path);
        strcat(path, "/");
    }
    strncat(path, name, PATH_MAX - 1);
}

/* Before a call that is recorded if it succeeds; `record` has to follow. */
static void begin_record(void)
{
    if (trace_fd >= 0)
        pthread_mutex_lock(&order);
}

static void put(const void *bytes, size_t count)
{
    for (const char *rest = bytes; count > 0;) {
        ssize_t written = syscall(SYS_write, trace_fd, rest, count);
        if (written <= 0)
            /* A trace with a gap is worse than none. */
            for (;;)
                syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        rest += written;
        count -= (size_t)written;
    }
}

/* After a call that gave `result`, which is given back. */
static long record(long result, char what, const char *path, uint64_t offset, const void *bytes, size_t count)
{
    if (trace_fd < 0)
        return result;
    int error = errno;
    if (result >= 0 && wanted && strstr(path, wanted)) {
        size_t length = strlen(path);
        struct record head = { what, what == 'O' && offset, (uint16_t)length, (uint32_t)count, offset };
        put(&head, sizeof head);
        put(path, length);
        put(bytes, count);
    }
    pthread_mutex_unlock(&order);
    errno = error;
    return result;
}

static long record_on(long result, char what, int fd, uint64_t offset, const void *bytes, size_t count)
{
    char path[PATH_MAX] = "";
    if (trace_fd >= 0)
        path_of(fd, path);
    return record(result, what, path, offset, bytes, count);
}

static int is_listed(const char *call)
{
    if (!calls)
        return 1;
    size_t length = strlen(call);
    for (const char *found = calls; (found = strstr(found, call)); found += length)
        if ((found == calls || found[-1] == ',') && (found[length] == ',' || !found[length]))
            return 1;
    return 0;
}

/* What happens at this step, which is a call about the file at `path`. */
static enum deed step(const char *call, const char *path)
{
    if (!wanted || !strstr(path, wanted) || !is_listed(call))
        return NOTHING;
    if (arm && syscall(SYS_faccessat, AT_FDCWD, arm, F_OK, 0) != 0)
        return NOTHING;
    long number = atomic_fetch_add(&steps, 1) + 1;
    int now = number == at && deed != NOTHING;
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s%s\n", number, call, path, now ? " !" : "");
    if (log_fd >= 0 && length > 0)
        syscall(SYS_write, log_fd, line, (size_t)length);
    return now ? deed : NOTHING;
}

static enum deed step_on(const char *call, int fd)
{
    char path[PATH_MAX];
    path_of(fd, path);
    return step(call, path);
}

static enum deed step_in(const char *call, int dir, const char *name)
{
    char path[2 * PATH_MAX];
    path_in(dir, name, path);
    return step(call, path);
}

/* For calls that have no half. True when the call fails, with errno set. */
static int suffers(enum deed what)
{
    switch (what) {
    case NOTHING:
        return 0;
    case EIO_:
        errno = EIO;
        return 1;
    case ENOSPC_:
        errno = ENOSPC;
        return 1;
    case KILL:
    case TEAR:
        for (;;)
            syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    }
    return 0;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    enum deed what = step_on("write", fd);
    if ((what == TEAR || what == ENOSPC_) && count > 1)
        syscall(SYS_write, fd, bytes, count / 2);
    if (suffers(what))
        return -1;
    begin_record();
    ssize_t written = syscall(SYS_write, fd, bytes, count);
    off_t end = trace_fd >= 0 && written > 0 ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
    return record_on(written, 'W', fd, (uint64_t)(end - written), bytes, written > 0 ? (size_t)written : 0);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    enum deed what = step_on("pwrite", fd);
    if ((what == TEAR || what == ENOSPC_) && count > 1)
        syscall(SYS_pwrite64, fd, bytes, count / 2, offset);
    if (suffers(what))
        return -1;
    last.fd = fd;
    last.length = count;
    last.offset = offset;
    begin_record();
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, count, offset);
    return record_on(written, 'W', fd, (uint64_t)offset, bytes, written > 0 ? (size_t)written : 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return pwrite64(fd, bytes, count, offset);
}

static int sync_fails(enum deed what, int fd)
{
    if (!suffers(what))
        return 0;
    static const char zeros[4096];
    while (last.fd == fd && last.length > 0) {
        size_t piece = last.length < sizeof zeros ? last.length : sizeof zeros;
        syscall(SYS_pwrite64, fd, zeros, piece, last.offset);
        last.offset += piece;
        last.length -= piece;
    }
    return 1;
}

int fsync(int fd)
{
    if (sync_fails(step_on("fsync", fd), fd))
        return -1;
    begin_record();
    return record_on(syscall(SYS_fsync, fd), 'S', fd, 0, "", 0);
}

int fdatasync(int fd)
{
    if (sync_fails(step_on("fdatasync", fd), fd))
        return -1;
    begin_record();
    return record_on(syscall(SYS_fdatasync, fd), 'S', fd, 0, "", 0);
}

/* Not recorded: it does not reach through the disk's own cache. */
int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags)
{
    return suffers(step_on("sync_file_range", fd)) ? -1 : syscall(SYS_sync_file_range, fd, offset, count, flags);
}

int ftruncate64(int fd, off64_t length)
{
    if (suffers(step_on("ftruncate", fd)))
        return -1;
    begin_record();
    return record_on(syscall(SYS_ftruncate, fd, length), 'L', fd, (uint64_t)length, "", 0);
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

/* Not recorded: whoever compares the files with the trace finds out. */
ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t count, unsigned flags)
{
    enum deed what = step_on("copy_file_range", to);
    if ((what == TEAR || what == ENOSPC_) && count > 1)
        syscall(SYS_copy_file_range, from, from_offset, to, to_offset, count > 8192 ? 8192 : count / 2, flags);
    return suffers(what) ? -1 : syscall(SYS_copy_file_range, from, from_offset, to, to_offset, count, flags);
}

int rename(const char *from, const char *to)
{
    if (suffers(step("rename", to)))
        return -1;
    begin_record();
    return record(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), 'R', from, 0, to, strlen(to));
}

int unlinkat(int dir, const char *name, int flags)
{
    if (suffers(step_in("unlink", dir, name)))
        return -1;
    char path[2 * PATH_MAX];
    path_in(dir, name, path);
    begin_record();
    return record(syscall(SYS_unlinkat, dir, name, flags), 'U', path, 0, "", 0);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    if (suffers(step("rmdir", path)))
        return -1;
    begin_record();
    return record(syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR), 'U', path, 0, "", 0);
}

int mkdir(const char *path, mode_t mode)
{
    if (suffers(step("mkdir", path)))
        return -1;
    begin_record();
    return record(syscall(SYS_mkdirat, AT_FDCWD, path, mode), 'M', path, 0, "", 0);
}

int openat64(int dir, const char *name, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (!(flags & (O_CREAT | O_TRUNC)))
        return syscall(SYS_openat, dir, name, flags, mode);
    if (suffers(step_in("open", dir, name)))
        return -1;
    char path[2 * PATH_MAX];
    path_in(dir, name, path);
    begin_record();
    return record(syscall(SYS_openat, dir, name, flags, mode), 'O', path, (flags & O_TRUNC) != 0, "", 0);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return openat64(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return openat64(AT_FDCWD, path, flags, mode);
}
