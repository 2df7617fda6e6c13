/* SPDX-License-Identifier: ISC */
/*
 * faultfs - a disk that fails on command, for LD_PRELOAD: it stands before the
 * calls that change files below FAULTFS_DIR.
 *
 * FAULTFS_RULE names a file with one line, which is read at each such call:
 *	fail CLASS ERRNO AT	the calls fail with that error number
 *	short CLASS 0 AT	a write writes half of what it should
 *	kill CLASS 0 AT		the process kills itself before the call
 *	wait CLASS 0 AT		the call waits until there is another rule
 *	count CLASS 0 AT	nothing but the line below
 * CLASS is open, write, sync (syncdir: of a directory alone), name (link,
 * rename, unlink, mkdir) or any; AT is the one call, counted from 1 since the
 * start, or 0 for every.  A call that is hit leaves a line with its number and
 * class in the file of that name with ".hit".
 *
 * FAULTFS_JOURNAL names a file that gets what was done, in its order, so that
 * a test can build what a power cut would leave: a line of text, and after
 * that of a write its bytes.
 *	write FILE OFFSET LENGTH DSYNC	sync FILE	size FILE LENGTH
 *	new FILE	rename FROM TO	link FROM TO	unlink FILE
 * What is changed through a mapping is not seen: of what LMDB does here, that
 * is its lock file alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum verdict {
	PASS,
	FAIL,
	SHORT
};

static atomic_int calls;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool
under(const char *path)
{
	const char *dir = getenv("FAULTFS_DIR");
	size_t n = dir == NULL ? 0 : strlen(dir);

	return n > 0 && strncmp(path, dir, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

/* The path of a descriptor below the directory. */
static bool
path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	return under(path);
}

/* Append to a file, past ourselves. */
static void
append(const char *path, const void *bytes, size_t len)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path,
	    O_WRONLY | O_APPEND | O_CREAT, 0600);

	if (fd == -1)
		return;
	(void)!syscall(SYS_write, fd, bytes, len);
	syscall(SYS_close, fd);
}

static void
hit(const char *rule_file, const char *class, int call)
{
	char name[PATH_MAX], line[64];

	snprintf(name, sizeof(name), "%s.hit", rule_file);
	snprintf(line, sizeof(line), "%d %s\n", call, class);
	append(name, line, strlen(line));
}

static bool
is_class(const char *of, const char *class)
{
	return strcmp(of, "any") == 0 || strcmp(of, class) == 0 ||
	       (strcmp(of, "sync") == 0 && strcmp(class, "syncdir") == 0);
}

/* What the rule says of this call; errno is set for FAIL. */
static bool
read_rule(const char *name, char action[16], char of[16], int *error, int *at)
{
	char text[64] = "";
	int fd = (int)syscall(SYS_openat, AT_FDCWD, name, O_RDONLY, 0);

	if (fd == -1)
		return false;
	(void)!syscall(SYS_read, fd, text, sizeof(text) - 1);
	syscall(SYS_close, fd);
	return sscanf(text, "%15s %15s %d %d", action, of, error, at) == 4;
}

static enum verdict
judge(const char *class)
{
	const char *rule_file = getenv("FAULTFS_RULE");
	char action[16], of[16];
	int error, at, call = ++calls;

	if (rule_file == NULL)
		return PASS;
	for (;;) {
		if (!read_rule(rule_file, action, of, &error, &at))
			return PASS;
		if (strcmp(action, "wait") != 0 || !is_class(of, class))
			break;
		usleep(10000);
	}
	if (!is_class(of, class) || (at != 0 && at != call))
		return PASS;
	hit(rule_file, class, call);
	if (strcmp(action, "count") == 0)
		return PASS;
	if (strcmp(action, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(action, "short") == 0)
		return SHORT;
	errno = error;
	return FAIL;
}

static void
journal(const void *bytes, size_t len, const char *fmt, ...)
{
	const char *name = getenv("FAULTFS_JOURNAL");
	char *all, line[2 * PATH_MAX + 128];
	size_t n;
	va_list ap;

	if (name == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = strlen(line);
	all = malloc(n + len);
	if (all == NULL)
		abort();
	memcpy(all, line, n);
	if (len > 0)
		memcpy(all + n, bytes, len);
	pthread_mutex_lock(&lock);
	append(name, all, n + len);
	pthread_mutex_unlock(&lock);
	free(all);
}

static const char *
base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* Flags that openat takes a mode with. */
static int
open_file(int dir, const char *path, int flags, mode_t mode)
{
	bool ours = under(path) && (flags & (O_WRONLY | O_RDWR)) != 0, fresh;
	struct stat st;
	int fd;

	if (ours && judge("open") == FAIL)
		return -1;
	fresh = ours && stat(path, &st) == -1;
	fd = (int)syscall(SYS_openat, dir, path, flags, mode);
	if (fd != -1 && fresh)
		journal(NULL, 0, "new %s\n", base(path));
	else if (fd != -1 && ours && (flags & O_TRUNC) != 0)
		journal(NULL, 0, "size %s 0\n", base(path));
	return fd;
}

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		mode_t mode = 0;                                               \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		if ((flags & (O_CREAT | O_TMPFILE)) != 0)                      \
			mode = va_arg(ap, mode_t);                             \
		va_end(ap);                                                    \
		return open_file(AT_FDCWD, path, flags, mode);                 \
	}

#define OPENAT(name)                                                           \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		mode_t mode = 0;                                               \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		if ((flags & (O_CREAT | O_TMPFILE)) != 0)                      \
			mode = va_arg(ap, mode_t);                             \
		va_end(ap);                                                    \
		return open_file(dir, path, flags, mode);                      \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

static void
journal_write(int fd, const char *path, const void *bytes, size_t len, off_t at)
{
	bool dsync = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;

	journal(bytes, len, "write %s %lld %zu %d\n", base(path), (long long)at,
	    len, dsync);
}

/* One piece of memory to one place: what every writing call becomes. */
static ssize_t
write_at(int fd, const char *path, const void *bytes, size_t len, off_t at)
{
	enum verdict v = judge("write");
	ssize_t n;

	if (v == FAIL)
		return -1;
	if (v == SHORT)
		len = len / 2;
	n = syscall(SYS_pwrite64, fd, bytes, len, at);
	if (n > 0)
		journal_write(fd, path, bytes, (size_t)n, at);
	return n;
}

static ssize_t
write_vector(int fd, const char *path, const struct iovec *iov, int count,
    off_t at)
{
	size_t len = 0, n = 0;
	ssize_t done;
	char *all;
	int i;

	for (i = 0; i < count; i++)
		len += iov[i].iov_len;
	all = malloc(len + 1);
	if (all == NULL)
		abort();
	for (i = 0; i < count; i++) {
		memcpy(all + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	done = write_at(fd, path, all, len, at);
	free(all);
	return done;
}

#define PWRITE(name)                                                           \
	ssize_t name(int fd, const void *bytes, size_t len, off_t at)          \
	{                                                                      \
		char path[PATH_MAX];                                           \
                                                                               \
		if (!path_of(fd, path))                                        \
			return syscall(SYS_pwrite64, fd, bytes, len, at);      \
		return write_at(fd, path, bytes, len, at);                     \
	}

#define PWRITEV(name)                                                          \
	ssize_t name(int fd, const struct iovec *iov, int count, off_t at)     \
	{                                                                      \
		char path[PATH_MAX];                                           \
                                                                               \
		if (!path_of(fd, path))                                        \
			return REAL(name)(fd, iov, count, at);                 \
		return write_vector(fd, path, iov, count, at);                 \
	}

PWRITE(pwrite)
PWRITE(pwrite64)
PWRITEV(pwritev)
PWRITEV(pwritev64)

/* Where the file offset is, moved on by what was written there. */
static ssize_t
moved(int fd, off_t at, ssize_t n)
{
	if (n > 0)
		(void)lseek(fd, at + n, SEEK_SET);
	return n;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	char path[PATH_MAX];
	off_t at;

	if (!path_of(fd, path))
		return syscall(SYS_write, fd, bytes, len);
	at = lseek(fd, 0, SEEK_CUR);
	return moved(fd, at, write_at(fd, path, bytes, len, at));
}

ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	char path[PATH_MAX];
	off_t at;

	if (!path_of(fd, path))
		return syscall(SYS_writev, fd, iov, count);
	at = lseek(fd, 0, SEEK_CUR);
	return moved(fd, at, write_vector(fd, path, iov, count, at));
}

static int
sync_file(int fd, long call)
{
	char path[PATH_MAX];
	struct stat st;
	int result;

	if (!path_of(fd, path))
		return (int)syscall(call, fd);
	if (judge(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) ? "syncdir" :
							       "sync") == FAIL)
		return -1;
	result = (int)syscall(call, fd);
	if (result == 0)
		journal(NULL, 0, "sync %s\n", base(path));
	return result;
}

int
fsync(int fd)
{
	return sync_file(fd, SYS_fsync);
}

int
fdatasync(int fd)
{
	return sync_file(fd, SYS_fdatasync);
}

static int
resize_file(int fd, off_t len)
{
	char path[PATH_MAX];
	int result;

	if (!path_of(fd, path))
		return (int)syscall(SYS_ftruncate, fd, len);
	if (judge("write") == FAIL)
		return -1;
	result = (int)syscall(SYS_ftruncate, fd, len);
	if (result == 0)
		journal(NULL, 0, "size %s %lld\n", base(path), (long long)len);
	return result;
}

int
ftruncate(int fd, off_t len)
{
	return resize_file(fd, len);
}

int
ftruncate64(int fd, off_t len)
{
	return resize_file(fd, len);
}

int
rename(const char *from, const char *to)
{
	int result;

	if (under(to) && judge("name") == FAIL)
		return -1;
	result = REAL(rename)(from, to);
	if (result == 0 && under(to))
		journal(NULL, 0, "rename %s %s\n", base(from), base(to));
	return result;
}

int
link(const char *from, const char *to)
{
	int result;

	if (under(to) && judge("name") == FAIL)
		return -1;
	result = REAL(link)(from, to);
	if (result == 0 && under(to))
		journal(NULL, 0, "link %s %s\n", base(from), base(to));
	return result;
}

int
unlink(const char *path)
{
	int result;

	if (under(path) && judge("name") == FAIL)
		return -1;
	result = REAL(unlink)(path);
	if (result == 0 && under(path))
		journal(NULL, 0, "unlink %s\n", base(path));
	return result;
}

int
mkdir(const char *path, mode_t mode)
{
	if (under(path) && judge("name") == FAIL)
		return -1;
	return REAL(mkdir)(path, mode);
}
