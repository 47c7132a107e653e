/* Stands between a program and its disk, loaded with LD_PRELOAD: counts what the program does to its files, and at
 * one step lets it fail, or kills the program.
 *
 * SWARM_DISK_PATH   counted are files whose path contains this; only what changes or syncs them counts
 * SWARM_DISK_CALLS  of these only those calls, as names in commas; all when it is missing
 * SWARM_DISK_ARM    nothing counts before a file of this name exists; from the beginning when it is missing
 * SWARM_DISK_AT     the step, from 1; 0 counts only
 * SWARM_DISK_DO     what happens there: kill, tear (half of a write, then kill), eio, or enospc (half of a write)
 * SWARM_DISK_LOG    a line for each step: its number, the call, the path; "!" behind the step at which it happened
 *
 * A sync that fails has lost what was written last to its file, as on Linux, where such pages count as clean.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
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
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0)
        return NOTHING;
    path[length] = 0;
    return step(call, path);
}

static enum deed step_in(const char *call, int dir, const char *name)
{
    char link[64], path[2 * PATH_MAX];
    if (dir == AT_FDCWD || name[0] == '/')
        return step(call, name);
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0)
        return NOTHING;
    snprintf(path + length, sizeof path - (size_t)length, "/%s", name);
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
    return suffers(what) ? -1 : syscall(SYS_write, fd, bytes, count);
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
    return syscall(SYS_pwrite64, fd, bytes, count, offset);
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
    return sync_fails(step_on("fsync", fd), fd) ? -1 : syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_fails(step_on("fdatasync", fd), fd) ? -1 : syscall(SYS_fdatasync, fd);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned flags)
{
    return suffers(step_on("sync_file_range", fd)) ? -1 : syscall(SYS_sync_file_range, fd, offset, count, flags);
}

int ftruncate64(int fd, off64_t length)
{
    return suffers(step_on("ftruncate", fd)) ? -1 : syscall(SYS_ftruncate, fd, length);
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t count, unsigned flags)
{
    enum deed what = step_on("copy_file_range", to);
    if ((what == TEAR || what == ENOSPC_) && count > 1)
        syscall(SYS_copy_file_range, from, from_offset, to, to_offset, count > 8192 ? 8192 : count / 2, flags);
    return suffers(what) ? -1 : syscall(SYS_copy_file_range, from, from_offset, to, to_offset, count, flags);
}

int rename(const char *from, const char *to)
{
    return suffers(step("rename", to)) ? -1 : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
    return suffers(step("unlink", path)) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    return suffers(step_in("unlink", dir, path)) ? -1 : syscall(SYS_unlinkat, dir, path, flags);
}

int rmdir(const char *path)
{
    return suffers(step("rmdir", path)) ? -1 : syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode)
{
    return suffers(step("mkdir", path)) ? -1 : syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if ((flags & (O_CREAT | O_TRUNC)) && suffers(step_in("open", dir, path)))
        return -1;
    return syscall(SYS_openat, dir, path, flags, mode);
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
