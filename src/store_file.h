/* SPDX-License-Identifier: ISC */
/*
 * store_file - the files of a store on disk: their names in the directory,
 * the lock, and the look at every byte that comes before LMDB may open one.
 *
 *	store.mdb               the LMDB file (store.mdb-lock belongs to it)
 *	store.mdb.new           one in the making; a left-over means nothing
 *	store.mdb.damaged-TIME  one that was damaged, set aside
 *	lock                    held by the daemon, its pid is in it
 *
 * Thread: as store.h.
 */
#ifndef MPUSHD_STORE_FILE_H
#define MPUSHD_STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store.h"

#define STORE_FILE      "store.mdb"
#define STORE_FILE_NEW  "store.mdb.new"
#define STORE_FILE_LOCK "lock"
#define STORE_FILE_MODE 0600

struct pidfh;

/* What a look at a file has found. */
struct store_file_look {
	size_t messages, devices; /* sound records */
	size_t damages;           /* places and records that are not */
	bool has_head;
	uint64_t version; /* as the head says */
};

/* Who hears of what is found; both may be NULL. */
struct store_file_hooks {
	/* STRAY: found beside a damaged tree, perhaps an old version. */
	void (*on_item)(void *arg, const struct store_item *, bool stray);
	void (*on_damage)(void *arg, uint64_t offset, const char *what);
	void *arg;
};

/* DIR/NAME, which the caller frees; ends the process when memory is short. */
char *store_file_path(const char *dir, const char *name);

/* Remove LMDB's lock file beside the file PATH, if there is one. */
void store_file_unlink_lock(const char *path);

/*
 * Take the directory's lock.  Returns 0 and sets *LOCK, which pidfile_close
 * gives back, or an errno; with EEXIST *HOLDER is the pid of who has it, or
 * -1.
 */
int store_file_lock(const char *dir, struct pidfh **lock, pid_t *holder);

/*
 * Who holds the directory's lock, -1 when that is not known; 0 when nobody
 * does, or there is no lock.
 */
pid_t store_file_holder(const char *dir);

/*
 * Look at every page and every record of the file FD.  TXNID 0: as it is;
 * else the state of that transaction, which the caller has pinned.  Returns
 * 0, or an errno when it cannot be read at all.
 */
int store_file_walk(int fd, uint64_t txnid, const struct store_file_hooks *,
    struct store_file_look *);

/*
 * What a daemon that starts on DIR would say against it, in *FAULT, which the
 * caller frees; NULL: nothing.  Changes nothing.
 */
void store_file_check(const char *dir, char **fault);

#endif
