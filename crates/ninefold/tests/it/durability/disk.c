/* A disk between the server and the real one, by LD_PRELOAD: for the files of a SQLite database in the folder DISK_FOLDER it
 *
 * - appends to DISK_RECORD what was written and what was synced, in the order in which it happened. A sync then takes a
 *   millisecond and does nothing else: what it promises is checked against the record (`record.rs`), on any disk;
 * - obeys DISK_ORDERS, a file that begins with a letter and a number: f - the disk is full, w - writes fail, s - syncs fail,
 *   d - those of the database itself fail, r - reads fail, anything else - all is well; and by so many seconds is the clock of the wall moved. A sync that fails is
 *   told once to everybody who has the file open, as Linux does it since 4.13: what a sync of the side thread has lost, the
 *   writer's own next sync doesn't hide.
 *
 * Either may be unset. What is not wrapped here would be missing from the record; the tests look that it holds what it must.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NONE, DATABASE, LOG, JOURNAL, FOLDER, PARENT };
enum { CREATED = 1, WRITTEN, RESIZED, SYNC_BEGINS, SYNC_ENDS, SYNC_FAILS, REMOVED };
enum { DESCRIPTORS = 4096 };

struct entry {
    uint8_t event, file;
    uint16_t unused;
    uint32_t length;
    /* Of a write; the size; the number of the sync. */
    uint64_t offset;
};

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static unsigned char files[DESCRIPTORS];
static int record = -1, orders = -1;
static const char *folder;
static uint64_t syncs;
/* By file: how many syncs have failed; by descriptor: how many of them it was told of. */
static unsigned failures[PARENT + 1], told[DESCRIPTORS];

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) abort();
    return found;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_RECORD");
    folder = getenv("DISK_FOLDER");
    if (path) record = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    path = getenv("DISK_ORDERS");
    if (path) orders = REAL(open)(path, O_RDONLY | O_CLOEXEC);
}

static char ordered(long *seconds) {
    char text[32] = "-";
    ssize_t length = orders < 0 ? -1 : REAL(pread64)(orders, text, sizeof text - 1, 0);
    if (length < 0) length = 1;
    text[length] = 0;
    if (seconds) *seconds = length > 1 ? atol(text + 1) : 0;
    return text[0];
}

static int classify(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    if (!length) return NONE;
    size_t parent = strrchr(folder, '/') - folder;
    if (strlen(path) == parent && !strncmp(path, folder, parent)) return PARENT;
    if (strncmp(path, folder, length)) return NONE;
    path += length;
    if (!*path) return FOLDER;
    if (!strcmp(path, "/app.db")) return DATABASE;
    if (!strcmp(path, "/app.db-wal")) return LOG;
    if (!strcmp(path, "/app.db-journal")) return JOURNAL;
    return NONE;
}

static int file_of(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS ? files[descriptor] : NONE;
}

/* Under the lock. */
static void note(int event, int file, uint64_t offset, const void *data, uint32_t length) {
    if (record < 0) return;
    struct entry entry = {event, file, 0, length, offset};
    struct iovec parts[] = {{&entry, sizeof entry}, {(void *)data, length}};
    if (REAL(writev)(record, parts, data ? 2 : 1) < 0) abort();
}

static int opened(const char *path, int flags, mode_t mode, int (*open_really)(const char *, int, ...)) {
    int file = classify(path);
    pthread_mutex_lock(&order);
    int is_new = file != NONE && (flags & O_CREAT) && access(path, F_OK) != 0;
    int descriptor = open_really(path, flags, mode);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        files[descriptor] = file;
        told[descriptor] = failures[file];
    }
    if (descriptor >= 0 && is_new) note(CREATED, file, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return descriptor;
}

#define OPEN(name)                                           \
    int name(const char *path, int flags, ...) {             \
        va_list rest;                                        \
        va_start(rest, flags);                               \
        mode_t mode = flags & O_CREAT ? va_arg(rest, int) : 0; \
        va_end(rest);                                        \
        return opened(path, flags, mode, REAL(name));        \
    }
OPEN(open)
OPEN(open64)

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS) files[descriptor] = NONE;
    return REAL(close)(descriptor);
}

ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) {
    int file = file_of(descriptor);
    if (file == NONE) return REAL(pwrite64)(descriptor, data, length, offset);
    char order_given = ordered(NULL);
    if (order_given == 'f' || order_given == 'w') {
        errno = order_given == 'f' ? ENOSPC : EIO;
        return -1;
    }
    pthread_mutex_lock(&order);
    ssize_t written = REAL(pwrite64)(descriptor, data, length, offset);
    if (written > 0) note(WRITTEN, file, offset, data, written);
    pthread_mutex_unlock(&order);
    return written;
}

ssize_t pread64(int descriptor, void *data, size_t length, off64_t offset) {
    if (file_of(descriptor) != NONE && ordered(NULL) == 'r') {
        errno = EIO;
        return -1;
    }
    return REAL(pread64)(descriptor, data, length, offset);
}

int ftruncate64(int descriptor, off64_t size) {
    int file = file_of(descriptor);
    pthread_mutex_lock(&order);
    int code = REAL(ftruncate64)(descriptor, size);
    if (code == 0 && file != NONE) note(RESIZED, file, size, NULL, 0);
    pthread_mutex_unlock(&order);
    return code;
}

int fsync(int descriptor) {
    int file = file_of(descriptor);
    if (file == NONE) return REAL(fsync)(descriptor);
    pthread_mutex_lock(&order);
    uint64_t number = ++syncs;
    note(SYNC_BEGINS, file, number, NULL, 0);
    pthread_mutex_unlock(&order);
    if (record < 0)
        REAL(fsync)(descriptor);
    else
        usleep(1000);
    pthread_mutex_lock(&order);
    char order_given = ordered(NULL);
    int fails = order_given == 's' || (order_given == 'd' && file == DATABASE);
    if (fails) failures[file]++;
    note(fails ? SYNC_FAILS : SYNC_ENDS, file, number, NULL, 0);
    /* One that only tells of an earlier failure has itself done what it should. */
    fails = told[descriptor] != failures[file];
    told[descriptor] = failures[file];
    pthread_mutex_unlock(&order);
    if (fails) errno = EIO;
    return fails ? -1 : 0;
}

int fdatasync(int descriptor) {
    return fsync(descriptor);
}

int unlink(const char *path) {
    int file = classify(path);
    pthread_mutex_lock(&order);
    int code = REAL(unlink)(path);
    if (code == 0 && file != NONE) note(REMOVED, file, 0, NULL, 0);
    pthread_mutex_unlock(&order);
    return code;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int code = REAL(clock_gettime)(clock, now);
    long seconds = 0;
    if (code == 0 && clock == CLOCK_REALTIME && orders >= 0) {
        ordered(&seconds);
        now->tv_sec += seconds;
    }
    return code;
}
