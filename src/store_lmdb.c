/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "store_lmdb.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "log.h"
#include "store_env.h"
#include "store_file.h"

#define STORE_LMDB_DAMAGES 20        /* lines in the log */
#define STORE_LMDB_TIDY    4         /* times what is in use a file may be */
#define STORE_LMDB_SMALL   (1 << 20) /* a file below is left alone */

struct store_lmdb {
	struct store head;
	char *dir, *path, *new_path; /* owned */
	struct pidfh *lock;
	uint64_t map_size;
	uint64_t written;      /* as store_written */
	struct store_env *env; /* NULL: to be opened */
	size_t damages;        /* logged in this scan */
	bool broken;           /* open it anew before the next try */
};

static struct store_lmdb *
store_lmdb_of(struct store *s)
{
	return (struct store_lmdb *)s;
}

static int
store_lmdb_sync_path(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

	if (fd == -1)
		return errno;
	if (fsync(fd) == -1)
		error = errno;
	close(fd);
	return error;
}

static void
store_lmdb_drop_new(const struct store_lmdb *l)
{
	(void)unlink(l->new_path);
	store_file_unlink_lock(l->new_path);
}

static int
store_lmdb_put_head(struct store_env *env, size_t padding)
{
	static const char zero[STORE_LMDB_SMALL / 16];
	struct store_item head = {
		.key = RECORD_KEY_HEAD,
		.record = { .kind = RECORD_HEAD,
		    .id = "",
		    .mid = RECORD_VERSION,
		    .text = zero,
		    .text_len = padding },
	};

	CHECK(padding <= sizeof(zero));
	return store_env_put(env, &head);
}

/* An empty file with a head under the name of one in the making. */
static int
store_lmdb_make_new(struct store_lmdb *l, struct store_env **env)
{
	int error;

	store_lmdb_drop_new(l);
	error = store_env_open(env, l->new_path, l->map_size);
	if (error == 0)
		error = store_lmdb_put_head(*env, 0);
	if (error == 0)
		error = store_env_commit(*env);
	if (error != 0) {
		store_env_close(env);
		store_lmdb_drop_new(l);
	}
	return error;
}

/*
 * Let the new file, closed by now, take the place of the old one.  Opening it
 * makes sure of the name.
 */
static int
store_lmdb_use_new(struct store_lmdb *l)
{
	int error = 0;

	if (rename(l->new_path, l->path) == -1)
		error = errno;
	store_lmdb_drop_new(l);
	return error;
}

static int
store_lmdb_create(struct store_lmdb *l)
{
	struct store_env *env = NULL;
	int error = store_lmdb_make_new(l, &env);

	if (error != 0)
		return error;
	store_env_close(&env);
	error = store_lmdb_use_new(l);
	if (error == 0)
		log_notice("store: made %s, which was not there", l->path);
	return error;
}

static void
store_lmdb_on_damage(void *arg, uint64_t offset, const char *what)
{
	struct store_lmdb *l = arg;

	if (l->damages++ < STORE_LMDB_DAMAGES)
		log_err("store: %s: damage at byte %llu: %s", l->path,
		    (unsigned long long)offset, what);
}

/* What is copied out of a damaged file. */
struct store_lmdb_rescue {
	struct store_env *env;
	int error;
	size_t strays;
};

static void
store_lmdb_on_rescue(void *arg, const struct store_item *item, bool stray)
{
	struct store_lmdb_rescue *r = arg;
	bool added;

	if (r->error != 0 || item->record.kind == RECORD_HEAD)
		return;
	r->error = store_env_add(r->env, item, &added);
	if (r->error == 0 && stray && added)
		r->strays++;
}

/* Write what can be read of the file FD into a new one. */
static int
store_lmdb_rescue(struct store_lmdb *l, int fd)
{
	struct store_lmdb_rescue r = { .env = NULL };
	struct store_file_hooks hooks = { .arg = &r,
		.on_item = store_lmdb_on_rescue };
	struct store_file_look look;

	r.error = store_lmdb_make_new(l, &r.env);
	if (r.error != 0)
		return r.error;
	r.error = store_file_walk(fd, 0, &hooks, &look);
	if (r.error == 0)
		r.error = store_env_commit(r.env);
	store_env_close(&r.env);
	if (r.error == 0 && r.strays > 0)
		log_warn("store: %zu records were found beside what is "
			 "damaged: some of them may be done already",
		    r.strays);
	return r.error;
}

/* A name for a damaged file that no other has, which the caller frees. */
static char *
store_lmdb_aside_name(const struct store_lmdb *l, unsigned int number)
{
	char stamp[32], name[80];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	if (number == 0)
		snprintf(name, sizeof(name), STORE_FILE ".damaged-%s", stamp);
	else
		snprintf(name, sizeof(name), STORE_FILE ".damaged-%s.%u", stamp,
		    number);
	return store_file_path(l->dir, name);
}

/* A second name for the damaged file, before the first goes to the new one. */
static int
store_lmdb_set_aside(const struct store_lmdb *l)
{
	unsigned int number = 0;
	char *path = store_lmdb_aside_name(l, number);
	int error = 0;

	while (link(l->path, path) == -1 && error == 0) {
		error = errno == EEXIST ? 0 : errno;
		free(path);
		path = store_lmdb_aside_name(l, ++number);
	}
	if (error == 0)
		log_err("store: the damaged file is now %s", path);
	free(path);
	return error;
}

static int
store_lmdb_repair(struct store_lmdb *l, int fd)
{
	int error;

	log_err("store: %s is damaged in %zu places; what can be read of it "
		"is kept",
	    l->path, l->damages);
	error = store_lmdb_rescue(l, fd);
	if (error == 0)
		error = store_lmdb_set_aside(l);
	return error == 0 ? store_lmdb_use_new(l) : error;
}

static int
store_lmdb_verify(struct store_lmdb *l, int fd)
{
	struct store_file_hooks hooks = { .arg = l,
		.on_damage = store_lmdb_on_damage };
	struct store_file_look look;
	int error;

	l->damages = 0;
	error = store_file_walk(fd, 0, &hooks, &look);
	if (error != 0)
		return error;
	if (look.has_head && look.version != RECORD_VERSION) {
		log_err("start: %s is of version %llu; this mpushd knows "
			"version %d",
		    l->path, (unsigned long long)look.version, RECORD_VERSION);
		return EPROTONOSUPPORT;
	}
	if (look.damages > 0)
		return store_lmdb_repair(l, fd);
	if (!look.has_head) {
		log_err("start: %s is not a store of mpushd", l->path);
		return EPROTONOSUPPORT;
	}
	return 0;
}

static uint64_t
store_lmdb_time(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || st.st_mtim.tv_sec < 0)
		return 0;
	return (uint64_t)st.st_mtim.tv_sec * 1000 +
	       (uint64_t)st.st_mtim.tv_nsec / 1000000;
}

/* A sound file of our version, made if there is none. */
static int
store_lmdb_prepare(struct store_lmdb *l)
{
	int fd, error;

	store_lmdb_drop_new(l);
	fd = open(l->path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return errno == ENOENT ? store_lmdb_create(l) : errno;
	l->written = store_lmdb_time(fd);
	/* It may have come back from a backup that anybody can read. */
	if (fchmod(fd, STORE_FILE_MODE) == -1)
		error = errno;
	else
		error = store_lmdb_verify(l, fd);
	close(fd);
	return error;
}

static int
store_lmdb_open(struct store_lmdb *l)
{
	int error;

	l->broken = false;
	/* Its name may be newer than the last sync: a crash, or one failed. */
	error = store_lmdb_sync_path(l->dir);
	if (error != 0)
		return error;
	return store_env_open(&l->env, l->path, l->map_size);
}

static int
store_lmdb_scan(struct store *s,
    int (*visit)(void *, const struct store_item *), void *arg)
{
	struct store_lmdb *l = store_lmdb_of(s);
	int error = store_lmdb_prepare(l);

	if (error == 0)
		error = store_lmdb_open(l);
	if (error == 0)
		return store_env_scan(l->env, visit, arg);
	if (error != EPROTONOSUPPORT)
		log_err("start: %s: %s", l->path, strerror(error));
	return error;
}

/* Undo all since the last sync.  Returns its argument. */
static int
store_lmdb_undo(struct store_lmdb *l, int error)
{
	if (l->env != NULL)
		store_env_abort(l->env);
	/* Want of room leaves LMDB as it was; after all else open it anew. */
	if (error != ENOSPC && error != EDQUOT)
		l->broken = true;
	return error;
}

static int
store_lmdb_put(struct store *s, const struct store_item *items, size_t count)
{
	struct store_lmdb *l = store_lmdb_of(s);
	int error = l->env == NULL ? EIO : 0;
	size_t i;

	for (i = 0; i < count && error == 0; i++)
		error = store_env_put(l->env, &items[i]);
	return error == 0 ? 0 : store_lmdb_undo(l, error);
}

static int
store_lmdb_del(struct store *s, const uint64_t *keys, size_t count)
{
	struct store_lmdb *l = store_lmdb_of(s);
	int error = l->env == NULL ? EIO : 0;
	size_t i;

	for (i = 0; i < count && error == 0; i++)
		error = store_env_del(l->env, keys[i]);
	return error == 0 ? 0 : store_lmdb_undo(l, error);
}

static int
store_lmdb_sync(struct store *s)
{
	struct store_lmdb *l = store_lmdb_of(s);
	int error = l->env == NULL ? EIO : store_env_commit(l->env);

	return error == 0 ? 0 : store_lmdb_undo(l, error);
}

/*
 * The head with a padding is what makes sure that there is room for more than
 * a few bytes.  The small ones before it are for LMDB, which uses a page again
 * only two transactions after it was freed.
 */
static int
store_lmdb_probe(struct store *s)
{
	static const size_t paddings[] = { 0, 0, STORE_LMDB_SMALL / 16, 0 };
	struct store_lmdb *l = store_lmdb_of(s);
	int error = l->env == NULL ? EIO : 0;
	size_t i;

	for (i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
		if (error == 0)
			error = store_lmdb_put_head(l->env, paddings[i]);
		if (error == 0)
			error = store_env_commit(l->env);
	}
	return error == 0 ? 0 : store_lmdb_undo(l, error);
}

static int
store_lmdb_recover(struct store *s)
{
	struct store_lmdb *l = store_lmdb_of(s);
	int error = 0;

	if (l->broken)
		store_env_close(&l->env);
	if (l->env == NULL)
		error = store_lmdb_open(l);
	return error;
}

/*
 * LMDB never makes a file smaller.  When most of it is free, what is in use
 * moves to a new one.
 */
static int
store_lmdb_tidy(struct store *s)
{
	struct store_lmdb *l = store_lmdb_of(s);
	struct store_env *env = NULL;
	uint64_t size, used;
	int error;

	if (l->env == NULL || l->broken)
		return 0;
	store_env_measure(l->env, &size, &used);
	if (size < STORE_LMDB_SMALL || size < STORE_LMDB_TIDY * used)
		return 0;
	error = store_lmdb_make_new(l, &env);
	if (error == 0)
		error = store_env_copy(l->env, env);
	store_env_close(&env);
	if (error != 0) {
		store_lmdb_drop_new(l);
		return error;
	}
	log_debug("store: %llu bytes of %s are in use: it is written anew",
	    (unsigned long long)used, l->path);
	store_env_close(&l->env);
	error = store_lmdb_use_new(l);
	return error == 0 ? store_lmdb_open(l) : store_lmdb_undo(l, error);
}

static uint64_t
store_lmdb_written(const struct store *s)
{
	return ((const struct store_lmdb *)s)->written;
}

static void
store_lmdb_free(struct store *s)
{
	struct store_lmdb *l = store_lmdb_of(s);

	/* For the next run's store_written. */
	if (l->env != NULL)
		(void)utimensat(AT_FDCWD, l->path, NULL, 0);
	store_env_close(&l->env);
	if (l->lock != NULL)
		pidfile_close(l->lock);
	free(l->dir);
	free(l->path);
	free(l->new_path);
	free(l);
}

static const struct store_ops store_lmdb_ops = {
	.scan = store_lmdb_scan,
	.put = store_lmdb_put,
	.del = store_lmdb_del,
	.sync = store_lmdb_sync,
	.recover = store_lmdb_recover,
	.probe = store_lmdb_probe,
	.tidy = store_lmdb_tidy,
	.written = store_lmdb_written,
	.free = store_lmdb_free,
};

static uint64_t
store_lmdb_map_size(uint64_t max_bytes)
{
	uint64_t size = max_bytes * 8 + (UINT64_C(1) << 30);

	/* On a 32-bit machine what the address space may have room for. */
	return size <= SIZE_MAX / 4 ? size : SIZE_MAX / 4;
}

/* Make the directory if it is missing, so that it stays.  Returns 0 or an errno. */
static int
store_lmdb_make_dir(const struct store_lmdb *l)
{
	char *parent = store_file_path(l->dir, "..");
	int error = 0;

	if (mkdir(l->dir, 0700) == 0) {
		error = store_lmdb_sync_path(parent);
		/* Who may write there need not be able to read. */
		if (error == EACCES)
			error = 0;
	} else if (errno != EEXIST) {
		error = errno;
	}
	free(parent);
	return error;
}

static int
store_lmdb_take(struct store_lmdb *l)
{
	pid_t holder;
	int error = store_lmdb_make_dir(l);

	if (error != 0) {
		log_err("start: STATE_DIR: %s: %s", l->dir, strerror(error));
		return -1;
	}
	error = store_file_lock(l->dir, &l->lock, &holder);
	if (error == EEXIST && holder > 0)
		log_err("start: STATE_DIR: %s is in use by process %ld", l->dir,
		    (long)holder);
	else if (error == EEXIST)
		log_err("start: STATE_DIR: %s is in use by another process",
		    l->dir);
	else if (error != 0)
		log_err("start: STATE_DIR: %s: %s", l->dir, strerror(error));
	return error == 0 ? 0 : -1;
}

struct store *
store_lmdb_new(const char *dir, uint64_t max_bytes)
{
	struct store_lmdb *l = calloc(1, sizeof(*l));
	struct store *s;

	CHECK(l != NULL);
	l->head.ops = &store_lmdb_ops;
	l->dir = strdup(dir);
	CHECK(l->dir != NULL);
	l->path = store_file_path(dir, STORE_FILE);
	l->new_path = store_file_path(dir, STORE_FILE_NEW);
	l->map_size = store_lmdb_map_size(max_bytes);
	s = &l->head;
	if (store_lmdb_take(l) == -1)
		store_free(&s);
	return s;
}
