/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "store_file.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "mdbfile.h"

struct store_file_walk {
	const struct store_file_hooks *hooks;
	struct store_file_look *look;
};

char *
store_file_path(const char *dir, const char *name)
{
	char *path;

	CHECK(asprintf(&path, "%s/%s", dir, name) != -1);
	return path;
}

void
store_file_unlink_lock(const char *path)
{
	char *lock;

	CHECK(asprintf(&lock, "%s-lock", path) != -1);
	(void)unlink(lock);
	free(lock);
}

int
store_file_lock(const char *dir, struct pidfh **lock, pid_t *holder)
{
	char *path = store_file_path(dir, STORE_FILE_LOCK);
	int error = 0;

	*holder = -1;
	*lock = pidfile_open(path, STORE_FILE_MODE, holder);
	if (*lock == NULL)
		error = errno;
	else if (pidfile_write(*lock) == -1) {
		error = errno;
		pidfile_close(*lock);
		*lock = NULL;
	}
	free(path);
	return error;
}

static pid_t
store_file_read_pid(int fd)
{
	char text[16] = "";
	long pid;

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return -1;
	pid = strtol(text, NULL, 10);
	return pid > 0 ? (pid_t)pid : -1;
}

pid_t
store_file_holder(const char *dir)
{
	char *path = store_file_path(dir, STORE_FILE_LOCK);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	pid_t pid = 0;

	free(path);
	if (fd == -1)
		return 0;
	if (flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK)
		pid = store_file_read_pid(fd);
	close(fd);
	return pid;
}

static void
store_file_on_damage(void *arg, uint64_t offset, const char *what)
{
	struct store_file_walk *w = arg;

	w->look->damages++;
	if (w->hooks->on_damage != NULL)
		w->hooks->on_damage(w->hooks->arg, offset, what);
}

static void
store_file_count(struct store_file_look *look, const struct store_item *item)
{
	switch (item->record.kind) {
	case RECORD_MESSAGE:
		look->messages++;
		break;
	case RECORD_DEVICE:
		look->devices++;
		break;
	case RECORD_HEAD:
		look->has_head = true;
		look->version = item->record.mid;
		break;
	}
}

static bool
store_file_on_record(void *arg, uint64_t key, const void *value, size_t len,
    uint64_t offset, bool stray)
{
	struct store_file_walk *w = arg;
	struct store_item item = { .key = key };
	char what[64];

	if (!record_read(&item.record, key, value, len) ||
	    (item.record.kind == RECORD_HEAD) != (key == RECORD_KEY_HEAD)) {
		snprintf(what, sizeof(what), "record %llu has a wrong checksum",
		    (unsigned long long)key);
		/* An old copy of what is lost anyway is no news. */
		if (!stray)
			store_file_on_damage(w, offset, what);
		return false;
	}
	if (!stray)
		store_file_count(w->look, &item);
	if (w->hooks->on_item != NULL)
		w->hooks->on_item(w->hooks->arg, &item, stray);
	return true;
}

int
store_file_walk(int fd, uint64_t txnid, const struct store_file_hooks *hooks,
    struct store_file_look *look)
{
	struct store_file_walk w = { hooks, look };
	struct mdbfile_hooks inner = {
		.arg = &w,
		.on_record = store_file_on_record,
		.on_damage = store_file_on_damage,
	};

	memset(look, 0, sizeof(*look));
	switch (mdbfile_walk(fd, txnid, RECORD_SIZE_MAX, &inner)) {
	case MDBFILE_SOUND:
		return 0;
	case MDBFILE_DAMAGED:
		CHECK(look->damages > 0);
		return 0;
	default:
		return errno;
	}
}

/* Keep the first place of damage for a report. */
struct store_file_first {
	uint64_t offset;
	char what[160];
};

static void
store_file_keep_first(void *arg, uint64_t offset, const char *what)
{
	struct store_file_first *first = arg;

	if (first->what[0] != '\0')
		return;
	first->offset = offset;
	snprintf(first->what, sizeof(first->what), "%s", what);
}

static void
store_file_say(char **fault, const char *path, int error)
{
	CHECK(asprintf(fault, "%s: %s", path, strerror(error)) != -1);
}

static void
store_file_check_file(const char *path, int fd, char **fault)
{
	struct store_file_first first = { 0, "" };
	struct store_file_hooks hooks = { .arg = &first,
		.on_damage = store_file_keep_first };
	struct store_file_look look;
	int error = store_file_walk(fd, 0, &hooks, &look);
	int n = 0;

	if (error != 0)
		store_file_say(fault, path, error);
	else if (look.damages > 0)
		n = asprintf(fault,
		    "%s: damaged in %zu places, the first at byte %llu: %s",
		    path, look.damages, (unsigned long long)first.offset,
		    first.what);
	else if (look.has_head && look.version != RECORD_VERSION)
		n = asprintf(fault,
		    "%s: is of version %llu, this mpushd knows version %d",
		    path, (unsigned long long)look.version, RECORD_VERSION);
	CHECK(n != -1);
}

static void
store_file_check_dir(const char *dir, char **fault)
{
	struct stat st;
	char *parent, *slash;

	if (stat(dir, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			store_file_say(fault, dir, ENOTDIR);
		else if (access(dir, R_OK | W_OK | X_OK) == -1)
			store_file_say(fault, dir, errno);
		return;
	}
	if (errno != ENOENT) {
		store_file_say(fault, dir, errno);
		return;
	}
	/* The daemon would make it. */
	parent = strdup(dir);
	CHECK(parent != NULL);
	slash = strrchr(parent, '/');
	if (slash != NULL && slash != parent)
		*slash = '\0';
	if (access(slash == NULL ? "." : (slash == parent ? "/" : parent),
		W_OK | X_OK) == -1)
		store_file_say(fault, dir, errno);
	free(parent);
}

void
store_file_check(const char *dir, char **fault)
{
	char *path;
	int fd;

	*fault = NULL;
	store_file_check_dir(dir, fault);
	/* A daemon that runs has looked itself, and changes it now. */
	if (*fault != NULL || store_file_holder(dir) != 0)
		return;
	path = store_file_path(dir, STORE_FILE);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		store_file_check_file(path, fd, fault);
		close(fd);
	} else if (errno != ENOENT) {
		store_file_say(fault, path, errno);
	}
	free(path);
}
