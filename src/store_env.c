/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "store_env.h"

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "store.h"
#include "store_file.h"

#define STORE_ENV_READERS 16   /* besides the daemon: mpushd --dump */
#define STORE_ENV_BATCH   8192 /* records in a commit of a copy */
#define STORE_ENV_TRIES   10   /* to get a lock file of its own */

struct store_env {
	MDB_env *env;
	MDB_txn *txn; /* NULL: none has begun */
	MDB_dbi dbi;
	uint64_t last; /* a key above is appended */
	size_t added;  /* since the last commit */
};

/* The errno for what LMDB has returned. */
static int
store_env_errno(int rc)
{
	switch (rc) {
	case MDB_MAP_FULL:
		return ENOSPC;
	case MDB_SUCCESS:
		return 0;
	default:
		break;
	}
	if (rc > 0)
		return rc;
	log_debug("store: LMDB says: %s", mdb_strerror(rc));
	return EIO;
}

static int
store_env_begin(struct store_env *e)
{
	return e->txn != NULL ? 0 : mdb_txn_begin(e->env, NULL, 0, &e->txn);
}

/*
 * LMDB takes the last transaction from the lock file, which is not made anew
 * while somebody has it open.  That of a file that was replaced would lead to
 * the older of this one's two meta pages: what was committed last is lost.
 */
static int
store_env_check_lock(struct store_env *e)
{
	MDB_envinfo info;
	int rc = mdb_env_info(e->env, &info);

	if (rc == 0 && mdb_txn_id(e->txn) != info.me_last_txnid + 1)
		rc = ESTALE;
	return rc;
}

/* Open the database in the file, and find its last key. */
static int
store_env_prepare(struct store_env *e)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = store_env_begin(e);

	if (rc == 0)
		rc = store_env_check_lock(e);
	if (rc == 0)
		rc = mdb_dbi_open(e->txn, NULL, MDB_INTEGERKEY, &e->dbi);
	if (rc == 0)
		rc = mdb_cursor_open(e->txn, e->dbi, &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc == 0)
		memcpy(&e->last, key.mv_data, sizeof(e->last));
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	rc = mdb_txn_commit(e->txn);
	e->txn = NULL;
	return rc;
}

static int
store_env_try(struct store_env **ep, const char *path, uint64_t map_size)
{
	struct store_env *e = calloc(1, sizeof(*e));
	int rc;

	*ep = e;
	if (e == NULL)
		return ENOMEM;
	rc = mdb_env_create(&e->env);
	if (rc == 0)
		rc = mdb_env_set_mapsize(e->env, (size_t)map_size);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(e->env, STORE_ENV_READERS);
	if (rc == 0)
		rc = mdb_env_open(e->env, path, MDB_NOSUBDIR | MDB_NOTLS,
		    STORE_FILE_MODE);
	if (rc == 0)
		rc = store_env_prepare(e);
	if (rc != 0)
		store_env_close(ep);
	return store_env_errno(rc);
}

int
store_env_open(struct store_env **ep, const char *path, uint64_t map_size)
{
	int error = store_env_try(ep, path, map_size), tries;

	for (tries = 1; error == ESTALE && tries < STORE_ENV_TRIES; tries++) {
		store_file_unlink_lock(path);
		error = store_env_try(ep, path, map_size);
	}
	return error;
}

void
store_env_close(struct store_env **ep)
{
	struct store_env *e = *ep;

	if (e == NULL)
		return;
	store_env_abort(e);
	if (e->env != NULL)
		mdb_env_close(e->env);
	free(e);
	*ep = NULL;
}

int
store_env_put(struct store_env *e, const struct store_item *item)
{
	uint64_t number = item->key;
	MDB_val key = { sizeof(number), &number };
	MDB_val value = { record_size(&item->record), NULL };
	unsigned int flags = MDB_RESERVE;
	int rc = store_env_begin(e);

	if (number > e->last)
		flags |= MDB_APPEND;
	if (rc == 0)
		rc = mdb_put(e->txn, e->dbi, &key, &value, flags);
	if (rc != 0)
		return store_env_errno(rc);
	record_write(value.mv_data, number, &item->record);
	if (number > e->last)
		e->last = number;
	return 0;
}

/* True when what is kept under the item's key is as good as the item. */
static bool
store_env_has(struct store_env *e, const struct store_item *item, int *rc)
{
	uint64_t number = item->key;
	MDB_val key = { sizeof(number), &number }, value;
	struct record old;

	*rc = mdb_get(e->txn, e->dbi, &key, &value);
	if (*rc == MDB_NOTFOUND)
		*rc = 0;
	else if (*rc == 0)
		return !record_read(&old, number, value.mv_data,
			   value.mv_size) ||
		       old.mid >= item->record.mid;
	return false;
}

int
store_env_add(struct store_env *e, const struct store_item *item, bool *added)
{
	int rc = store_env_begin(e);

	*added = rc == 0 && !store_env_has(e, item, &rc) && rc == 0;
	if (!*added)
		return store_env_errno(rc);
	rc = store_env_put(e, item);
	if (rc == 0 && ++e->added % STORE_ENV_BATCH == 0)
		rc = store_env_commit(e);
	return rc;
}

int
store_env_del(struct store_env *e, uint64_t number)
{
	MDB_val key = { sizeof(number), &number };
	int rc = store_env_begin(e);

	if (rc == 0)
		rc = mdb_del(e->txn, e->dbi, &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : store_env_errno(rc);
}

int
store_env_commit(struct store_env *e)
{
	int rc;

	if (e->txn == NULL)
		return 0;
	rc = mdb_txn_commit(e->txn);
	e->txn = NULL;
	return store_env_errno(rc);
}

void
store_env_abort(struct store_env *e)
{
	if (e->txn != NULL)
		mdb_txn_abort(e->txn);
	e->txn = NULL;
}

static int
store_env_visit(MDB_cursor *cursor,
    int (*visit)(void *, const struct store_item *), void *arg)
{
	struct store_item item;
	MDB_val key, value;
	int rc, error = 0;

	while (error == 0) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		if (rc != 0)
			return rc == MDB_NOTFOUND ? 0 : store_env_errno(rc);
		memcpy(&item.key, key.mv_data, sizeof(item.key));
		if (!record_read(&item.record, item.key, value.mv_data,
			value.mv_size))
			return EBADMSG;
		if (item.record.kind != RECORD_HEAD)
			error = visit(arg, &item);
	}
	return error;
}

int
store_env_scan(struct store_env *e,
    int (*visit)(void *, const struct store_item *), void *arg)
{
	MDB_cursor *cursor;
	MDB_txn *txn;
	int rc;

	rc = mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return store_env_errno(rc);
	rc = mdb_cursor_open(txn, e->dbi, &cursor);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return store_env_errno(rc);
	}
	rc = store_env_visit(cursor, visit, arg);
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return rc;
}

static int
store_env_copy_item(void *arg, const struct store_item *item)
{
	bool added;

	return store_env_add(arg, item, &added);
}

int
store_env_copy(struct store_env *from, struct store_env *to)
{
	int error = store_env_scan(from, store_env_copy_item, to);

	return error == 0 ? store_env_commit(to) : error;
}

void
store_env_measure(struct store_env *e, uint64_t *size, uint64_t *used)
{
	MDB_envinfo info;
	MDB_stat stat;
	MDB_txn *txn;

	*size = *used = 0;
	if (mdb_env_info(e->env, &info) != 0 ||
	    mdb_txn_begin(e->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	if (mdb_stat(txn, e->dbi, &stat) == 0) {
		*size = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
		*used = (uint64_t)(stat.ms_branch_pages + stat.ms_leaf_pages +
				   stat.ms_overflow_pages) *
			stat.ms_psize;
	}
	mdb_txn_abort(txn);
}
