/* SPDX-License-Identifier: ISC */
/*
 * store_env - one open LMDB file of records and its write transaction: LMDB's
 * calls in terms of store.h, its errors as errnos.
 * Thread: as store.h.
 */
#ifndef MPUSHD_STORE_ENV_H
#define MPUSHD_STORE_ENV_H

#include <stdbool.h>
#include <stdint.h>

struct store_env;
struct store_item;

/*
 * Open PATH, made if it is not there, for up to MAP_SIZE bytes; a lock file
 * that belongs to another file, which somebody reads, is removed.  Returns 0
 * and sets *ENV, or an errno and sets it to NULL.
 */
int store_env_open(struct store_env **, const char *path, uint64_t map_size);

/* Close it, all that was not committed is undone; sets the pointer to NULL. */
void store_env_close(struct store_env **);

/* Put a record, new or in place of an old one.  Returns 0 or an errno. */
int store_env_put(struct store_env *, const struct store_item *);

/*
 * Put a record unless there is one under its key already, or, for a device,
 * one of a higher mid; commits every now and then.  *ADDED: it was not there.
 */
int store_env_add(struct store_env *, const struct store_item *, bool *added);

/* Delete the record under KEY if there is one.  Returns 0 or an errno. */
int store_env_del(struct store_env *, uint64_t key);

/* Commit what was put and deleted: it is on disk then.  Returns 0 or an errno. */
int store_env_commit(struct store_env *);

/* Undo what was put and deleted since the last commit. */
void store_env_abort(struct store_env *);

/* As store_scan; a record that cannot be read ends it with EBADMSG. */
int store_env_scan(struct store_env *,
    int (*visit)(void *, const struct store_item *), void *arg);

/* Copy all records to another, and commit there.  Returns 0 or an errno. */
int store_env_copy(struct store_env *from, struct store_env *to);

/* How many bytes the file has, and how many of them are in use. */
void store_env_measure(struct store_env *, uint64_t *size, uint64_t *used);

#endif
