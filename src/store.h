/* SPDX-License-Identifier: ISC */
/*
 * store - where messages and registrations outlive the process: records under
 * increasing 64-bit keys.  One small interface, which any engine can stand
 * behind; store_lmdb.h makes one on disk, store_mem.h one in memory.
 * Thread: one at a time: the acceptor until the store thread starts, then
 * that one, then the acceptor again.
 * Errors: every call that can fail returns 0 or an errno.
 */
#ifndef MPUSHD_STORE_H
#define MPUSHD_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "record.h"

/* A record and the key to keep it under. */
struct store_item {
	uint64_t key;
	struct record record;
};

struct store;

/* What an engine does; the functions below say what each is to do. */
struct store_ops {
	int (*scan)(struct store *, int (*)(void *, const struct store_item *),
	    void *);
	int (*put)(struct store *, const struct store_item *, size_t);
	int (*del)(struct store *, const uint64_t *, size_t);
	int (*sync)(struct store *);
	int (*recover)(struct store *);
	int (*probe)(struct store *);
	int (*tidy)(struct store *);
	uint64_t (*written)(const struct store *);
	void (*free)(struct store *);
};

/* An engine's own struct begins with this. */
struct store {
	const struct store_ops *ops;
};

/*
 * Give each record that is kept to VISIT, in the order of the keys; what the
 * item points to lives for that call only.  Once, before anything else.  A
 * value that VISIT returns other than 0 ends the scan and is returned.
 */
int store_scan(struct store *,
    int (*visit)(void *arg, const struct store_item *), void *arg);

/* Put COUNT records, new ones in the order of their keys, or in place of old. */
int store_put(struct store *, const struct store_item *, size_t count);

/* Delete COUNT records; one that is not there is no error. */
int store_del(struct store *, const uint64_t *keys, size_t count);

/*
 * The barrier: what was put and deleted since the last one is on disk when 0
 * is returned.  After an error of this, put or del nothing of it is there.
 */
int store_sync(struct store *);

/* After an error: get ready to try again. */
int store_recover(struct store *);

/* Make sure that there is room for more than a few bytes, by writing them. */
int store_probe(struct store *);

/* Give room that is free for good back to the system, if that is worth it. */
int store_tidy(struct store *);

/*
 * After the scan: when the last run wrote or closed it, by that run's time of
 * day, in milliseconds since the epoch; 0: it was not there.
 */
uint64_t store_written(const struct store *);

/* Close it and set the pointer to NULL; what was not synced is not there. */
void store_free(struct store **);

#endif
