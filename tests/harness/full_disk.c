/* A disk that is full while a file of a certain name exists: there is no free space, no file grows, and none is made.
 * Loaded with LD_PRELOAD, in front of disk.c when both are.
 *
 * SWARM_FULL_WHILE  the name of that file
 * SWARM_FULL_PATH   of the files whose path contains this
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The function that would be called without this library. */
#define NEXT(name)                               \
    static __typeof__(&name) next;               \
    if (!next)                                   \
        next = (__typeof__(next))dlsym(RTLD_NEXT, #name)

static const char *full_while, *full_path;

__attribute__((constructor)) static void begin(void)
{
    full_while = getenv("SWARM_FULL_WHILE");
    full_path = getenv("SWARM_FULL_PATH");
}

static int is_full(void)
{
    return full_while && full_path && syscall(SYS_faccessat, AT_FDCWD, full_while, F_OK, 0) == 0;
}

/* Whether the file would be longer afterwards than it is. True with errno set. */
static int grows(int fd, off_t end)
{
    char link[64], path[PATH_MAX];
    struct stat now;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0 || fstat(fd, &now) != 0)
        return 0;
    path[length] = 0;
    if (!strstr(path, full_path) || end <= now.st_size)
        return 0;
    errno = ENOSPC;
    return 1;
}

/* Whether there is no such file yet. True with errno set. */
static int is_new(int dir, const char *path)
{
    if (!strstr(path, full_path) || syscall(SYS_faccessat, dir, path, F_OK, 0) == 0)
        return 0;
    errno = ENOSPC;
    return 1;
}

int statvfs64(const char *path, struct statvfs64 *stat)
{
    NEXT(statvfs64);
    int result = next(path, stat);
    if (result == 0 && is_full())
        stat->f_bfree = stat->f_bavail = 0;
    return result;
}

int statvfs(const char *path, struct statvfs *stat)
{
    NEXT(statvfs);
    int result = next(path, stat);
    if (result == 0 && is_full())
        stat->f_bfree = stat->f_bavail = 0;
    return result;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    NEXT(write);
    return is_full() && grows(fd, lseek(fd, 0, SEEK_CUR) + (off_t)count) ? -1 : next(fd, bytes, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset)
{
    NEXT(pwrite64);
    return is_full() && grows(fd, offset + (off_t)count) ? -1 : next(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset)
{
    return pwrite64(fd, bytes, count, offset);
}

int ftruncate64(int fd, off64_t length)
{
    NEXT(ftruncate64);
    return is_full() && grows(fd, length) ? -1 : next(fd, length);
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

int openat64(int dir, const char *path, int flags, ...)
{
    NEXT(openat64);
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return (flags & O_CREAT) && is_full() && is_new(dir, path) ? -1 : next(dir, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return openat64(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return openat64(AT_FDCWD, path, flags, mode);
}
