/* SPDX-License-Identifier: ISC */
/*
 * store_mem - a store in memory, which forgets with the process: a double
 * for tests, which can fail on command.
 * Thread: as store.h.  Owns: copies of the records.
 */
#ifndef MPUSHD_STORE_MEM_H
#define MPUSHD_STORE_MEM_H

#include <stddef.h>
#include <stdint.h>

struct store;

/* Make an empty one.  NULL: no memory. */
struct store *store_mem_new(void);

/*
 * Let every call that can fail do so with the errno ERROR, after the next
 * AFTER ones, until ERROR is 0.
 */
void store_mem_fail(struct store *, int error, size_t after);

/* What store_written is to return, at first 0. */
void store_mem_set_written(struct store *, uint64_t);

/* How many records are kept, those not synced not counted. */
size_t store_mem_count(const struct store *);

/* How often it was synced. */
size_t store_mem_syncs(const struct store *);

#endif
