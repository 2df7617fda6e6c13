/* SPDX-License-Identifier: ISC */
/*
 * store_lmdb - a store on disk: one LMDB file, records under their 64-bit
 * keys (MDB_INTEGERKEY), new ones appended at the end of the tree.
 * Thread: as store.h.  Owns: the directory's lock, from making to freeing.
 * Limits: address space for eight times MAX_BYTES, so that the file's own
 * overhead never is what fills it; the caller keeps the records below
 * MAX_BYTES.
 */
#ifndef MPUSHD_STORE_LMDB_H
#define MPUSHD_STORE_LMDB_H

#include <stdint.h>

struct store;

/*
 * Make a store in DIR, which is made too if only it is missing, and take its
 * lock.  Nothing is read before store_scan, which verifies the whole file
 * first: damage is logged, the damaged file is set aside, and what can be
 * read is kept in a new one.  NULL after one line in the log.
 */
struct store *store_lmdb_new(const char *dir, uint64_t max_bytes);

#endif
