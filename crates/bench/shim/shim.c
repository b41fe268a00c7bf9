/* Stands between the server and the system, for campaigns alone: it writes down what reaches the database files and what is made lasting,
 * ends the room on the disk at a chosen byte, and sets the wall clock of this one process off. Loaded with LD_PRELOAD; never shipped.
 *
 * RINGBACK_SHIM_CONTROL  a file of three 64-bit numbers: nanoseconds the wall clock is off, bytes that the disk has room for (below 0:
 *                        no limit), microseconds that a sync takes
 * RINGBACK_SHIM_LOG      a file that gets a record of each write, truncation, sync and removal; syncs then only count, since what a
 *                        power cut leaves is made from the records
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { DATABASE = 1, WAL = 2, JOURNAL = 3 };
enum { WRITE = 1, TRUNCATE = 2, SYNC = 3, UNLINK = 4 };
#define MOST_FILES 65536

struct control {
    int64_t clock_ns;
    int64_t room;
    int64_t sync_us;
};

struct record {
    uint8_t what;
    uint8_t file;
    uint16_t nothing;
    uint32_t length;
    uint64_t offset;
};

static struct control *control;
static int records = -1;
static uint64_t written; /* records so far */
static uint8_t kinds[MOST_FILES];
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RINGBACK_SHIM_CONTROL");
    if (path) {
        int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
        void *found = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (found != MAP_FAILED) control = found;
    }
    path = getenv("RINGBACK_SHIM_LOG");
    if (path) records = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int kind_of(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (!strcmp(name, "ringback.db")) return DATABASE;
    if (!strcmp(name, "ringback.db-wal")) return WAL;
    if (!strcmp(name, "ringback.db-journal")) return JOURNAL;
    return 0;
}

static int kind(int fd) { return fd >= 0 && fd < MOST_FILES ? kinds[fd] : 0; }

static void note(int what, int file, uint64_t offset, const void *bytes, uint32_t length) {
    if (records < 0) return;
    struct record head = {.what = what, .file = file, .length = length, .offset = offset};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
    syscall(SYS_writev, records, parts, length ? 2 : 1);
    written++;
}

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < MOST_FILES) kinds[fd] = kind_of(path);
    return fd;
}

#define MODE_OF(flags) ({ mode_t mode = 0; if ((flags) & (O_CREAT | __O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } mode; })

int open(const char *path, int flags, ...) {
    mode_t mode = MODE_OF(flags);
    return opened(syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}
int open64(const char *path, int flags, ...) {
    mode_t mode = MODE_OF(flags);
    return opened(syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}
int close(int fd) {
    if (fd >= 0 && fd < MOST_FILES) kinds[fd] = 0;
    return syscall(SYS_close, fd);
}

/* Writes what there is room for, as a disk that fills up does. */
static ssize_t put(int fd, const void *bytes, size_t length, off_t at) {
    int file = kind(fd);
    pthread_mutex_lock(&one_at_a_time);
    int64_t room = control ? __atomic_load_n(&control->room, __ATOMIC_SEQ_CST) : -1;
    if (room == 0 && length > 0) {
        pthread_mutex_unlock(&one_at_a_time);
        errno = ENOSPC;
        return -1;
    }
    if (room > 0 && (uint64_t)room < length) length = room;
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, length, at);
    int why = errno;
    if (done > 0) {
        if (room > 0) __atomic_fetch_sub(&control->room, done, __ATOMIC_SEQ_CST);
        note(WRITE, file, at, bytes, done);
    }
    pthread_mutex_unlock(&one_at_a_time);
    errno = why;
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) {
    if (!kind(fd)) return syscall(SYS_pwrite64, fd, bytes, length, at);
    return put(fd, bytes, length, at);
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!kind(fd)) return syscall(SYS_write, fd, bytes, length);
    off_t at = syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t done = put(fd, bytes, length, at);
    int why = errno;
    if (done > 0) syscall(SYS_lseek, fd, at + done, SEEK_SET);
    errno = why;
    return done;
}

int ftruncate64(int fd, off64_t length) {
    if (!kind(fd)) return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&one_at_a_time);
    int done = syscall(SYS_ftruncate, fd, length);
    int why = errno;
    if (done == 0) note(TRUNCATE, kind(fd), length, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = why;
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path) {
    pthread_mutex_lock(&one_at_a_time);
    int done = syscall(SYS_unlink, path);
    int why = errno;
    if (done == 0 && kind_of(path)) note(UNLINK, kind_of(path), 0, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    errno = why;
    return done;
}

/* What was written before a sync began is lasting once it ended; what came meanwhile is not. */
static int sync_file(int fd, long call) {
    if (!kind(fd) || records < 0) return syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    uint64_t before = written;
    pthread_mutex_unlock(&one_at_a_time);
    int64_t takes = control ? __atomic_load_n(&control->sync_us, __ATOMIC_SEQ_CST) : 0;
    if (takes > 0) {
        struct timespec wait = {takes / 1000000, takes % 1000000 * 1000};
        syscall(SYS_nanosleep, &wait, NULL);
    }
    pthread_mutex_lock(&one_at_a_time);
    note(SYNC, kind(fd), before, NULL, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return 0;
}
int fsync(int fd) { return sync_file(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int clock_gettime(clockid_t which, struct timespec *out) {
    int done = syscall(SYS_clock_gettime, which, out);
    if (done == 0 && control && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        int64_t off = __atomic_load_n(&control->clock_ns, __ATOMIC_SEQ_CST);
        int64_t nanos = out->tv_nsec + off % 1000000000;
        out->tv_sec += off / 1000000000;
        if (nanos < 0) { nanos += 1000000000; out->tv_sec--; }
        if (nanos >= 1000000000) { nanos -= 1000000000; out->tv_sec++; }
        out->tv_nsec = nanos;
    }
    return done;
}
int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    (void)zone;
    struct timespec now;
    int done = clock_gettime(CLOCK_REALTIME, &now);
    if (done == 0) { out->tv_sec = now.tv_sec; out->tv_usec = now.tv_nsec / 1000; }
    return done;
}
time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
